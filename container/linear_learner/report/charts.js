"use strict";
// Markup, and drawings as SVG of it: D3 makes the axes with their ticks, and the shapes are put between them. Colours and
// fonts are left to the style sheet, by class, so that one drawing serves a light page, a dark one and paper.

// -- markup: a template whose values are text, and escaped, unless they are such templates themselves -------------------

class Markup {
  constructor(text) {
    this.text = text;
  }
}
const put = (value) => {
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map(put).join("");
  return String(value === false ? "" : (value ?? "")).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
};
const html = (pieces, ...values) => new Markup(pieces.map((piece, i) => (i ? put(values[i - 1]) : "") + piece).join(""));

// -- numbers ------------------------------------------------------------------------------------------------------------

const count = (value) => (value === null ? "?" : value.toLocaleString("en-GB"));
// Four significant digits, and all before the point.
const number = (value) => {
  if (!value) return value === 0 ? "0" : "";
  const size = Math.abs(value);
  if (size >= 1e9 || size < 1e-4) return value.toExponential(3);
  return size >= 1000 ? count(Math.round(value)) : value.toPrecision(4);
};

// -- drawings -----------------------------------------------------------------------------------------------------------

const WIDTH = 396;
const HEIGHT = 214; // of the frame; below it are labels and a title
const BELOW = 42;
const TICKS = 5; // or so
const FURTHEST = -1e4; // above the frame: browsers lose count of larger coordinates

const share = (name) => ({ name, low: 0, high: 1 });

// The scale of an axis {name, low, high, ticks}, which ends at ticks unless it was told how many there are; longer where
// its numbers are all but the same.
const scaled = ({ low, high, ticks }, range) => {
  const margin = 1e-6 * Math.max(Math.abs(low), Math.abs(high), 1e-6);
  const ends = high - low > margin ? [low, high] : [low - margin, high + margin];
  return ticks ? d3.scaleLinear(ends, range) : d3.scaleLinear(ends, range).nice(TICKS);
};
const labels = (scale) => {
  const largest = Math.max(...scale.domain().map(Math.abs));
  if (largest >= 1e-4 && largest < 1e7) return scale.tickFormat(TICKS);
  const short = scale.tickFormat(TICKS, "~e");
  return (tick) => (tick ? short(tick) : "0");
};

// Shapes: functions of a function that says where a point is.
const named = (title) => title && html`<title>${title}</title>`;
const line = (points, style, title, candidate) => (at) =>
  html`<polyline class="${style}"${candidate !== undefined && html` data-candidate="${candidate}"`} points="${points.map(at).join(" ")}">${named(title)}</polyline>`;
const dot = ([x, y]) => html`<circle cx="${x}" cy="${y}" r="2.5"/>`;
const dots = (points, style, title) => (at) => html`<g class="${style}">${named(title)}${points.map((point) => dot(at(point)))}</g>`;
// One of the points, which stands out; the slider moves it.
const marker = (points, chosen, style) => (at) => {
  const [x, y] = at(points[chosen]);
  return html`<circle class="${style}" cx="${x}" cy="${y}" r="5" data-places="${points.map(at).join(";")}"/>`;
};
const columns = (edges, heights) => (at) =>
  html`<g class="columns">${heights.map((height, i) => {
    const [[left, top], [right, ground]] = [at([edges[i], height]), at([edges[i + 1], 0])];
    return html`<rect x="${left}" y="${top}" width="${Math.max(right - left - 1, 0.5)}" height="${ground - top}"/>`;
  })}</g>`;

// The style sheet cuts off lines above the frame.
const draw = (title, x, y, shapes) => {
  const down = scaled(y, [HEIGHT, 0]);
  const texts = down.ticks(TICKS).map(labels(down));
  const left = 22 + 8.5 * Math.max(...texts.map((text) => text.length));
  const width = WIDTH - left;
  const across = scaled(x, [0, width]);
  const short = (place) => Math.round(10 * place) / 10;
  const at = ([a, b]) => [short(across(a)), short(Math.max(down(b), FURTHEST))];

  const svg = d3.create("svg").attr("viewBox", `0 -8 ${WIDTH + 12} ${HEIGHT + BELOW + 8}`).attr("role", "img").attr("aria-label", title);
  const frame = svg.append("g").attr("transform", `translate(${left} 0)`);
  const ticks = x.ticks ?? TICKS;
  const bottom = d3.axisBottom(across).ticks(ticks).tickFormat(x.ticks ? String : labels(across)).tickSize(-HEIGHT);
  frame.append("g").attr("class", "axis bottom").attr("transform", `translate(0 ${HEIGHT})`).call(bottom);
  frame.append("g").attr("class", "axis left").call(d3.axisLeft(down).ticks(TICKS).tickFormat(labels(down)).tickSize(-width));
  frame.append("text").attr("x", width / 2).attr("y", HEIGHT + 37).attr("text-anchor", "middle").text(x.name);
  frame.append("text").attr("transform", `translate(${13 - left} ${HEIGHT / 2}) rotate(270)`).attr("text-anchor", "middle").text(y.name);
  frame.append("g").attr("class", "shapes").html(put(shapes.map((shape) => shape(at))));
  return new Markup(svg.node().outerHTML);
};
