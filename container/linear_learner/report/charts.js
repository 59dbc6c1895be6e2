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
const MOST_TICKS = 8;
const FURTHEST = -1e4; // above the frame: browsers lose count of larger coordinates

const share = (name) => ({ name, low: 0, high: 1 });

// The multiples of a round step that enclose two numbers. (D3's own now and then lack the last, by a rounding error.)
const enclosing = (low, high) => {
  const rough = (high - low) / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const digits = rough / power;
  const step = power * (digits > Math.sqrt(50) ? 10 : digits > Math.sqrt(10) ? 5 : digits > Math.sqrt(2) ? 2 : 1);
  const [first, last] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)];
  if (last - first >= MOST_TICKS) return enclosing(first * step, last * step);
  return { step, places: d3.range(first, last + 1).map((i) => Number((i * step).toPrecision(12))) };
};
const labels = ({ step, places }) => {
  const largest = Math.max(...places.map(Math.abs));
  const plain = d3.format(`,.${Math.max(0, -Math.floor(Math.log10(step) + 1e-9))}f`);
  const short = (tick) => (tick ? tick.toExponential() : "0");
  const label = largest >= 1e-4 && largest < 1e7 ? plain : short;
  return (tick) => label(tick).replace(/^-/, "−");
};
// The axis {name, low, high, ticks} on a side. It ends at ticks, unless it was told how many there are, and is longer where
// its numbers are all but the same.
const axis = (side, { low, high, ticks }, range) => {
  const scale = d3.scale.linear().range(range);
  const made = d3.svg.axis().scale(scale).orient(side);
  if (ticks) {
    scale.domain([low, high]);
    return made.ticks(ticks).tickFormat(String);
  }
  const margin = 1e-6 * Math.max(Math.abs(low), Math.abs(high), 1e-6);
  const found = high - low > margin ? enclosing(low, high) : enclosing(low - margin, high + margin);
  scale.domain(d3.extent(found.places));
  return made.tickValues(found.places).tickFormat(labels(found));
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
  const down = axis("left", y, [HEIGHT, 0]);
  const texts = down.tickValues().map(down.tickFormat());
  const left = 22 + 8.5 * Math.max(...texts.map((text) => text.length));
  const width = WIDTH - left;
  const across = axis("bottom", x, [0, width]);
  const short = (place) => Math.round(10 * place) / 10;
  const at = ([a, b]) => [short(across.scale()(a)), short(Math.max(down.scale()(b), FURTHEST))];

  const element = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const svg = d3.select(element).attr("viewBox", `0 -8 ${WIDTH + 12} ${HEIGHT + BELOW + 8}`).attr("role", "img").attr("aria-label", title);
  const frame = svg.append("g").attr("transform", `translate(${left} 0)`);
  frame.append("g").attr("class", "axis bottom").attr("transform", `translate(0 ${HEIGHT})`).call(across.tickSize(-HEIGHT));
  frame.append("g").attr("class", "axis left").call(down.tickSize(-width));
  frame.selectAll("[style]").attr("style", null); // which the page's policy does not let in; the style sheet has what D3 put there
  frame.append("text").attr("x", width / 2).attr("y", HEIGHT + 37).attr("text-anchor", "middle").text(x.name);
  frame.append("text").attr("transform", `translate(${13 - left} ${HEIGHT / 2}) rotate(270)`).attr("text-anchor", "middle").text(y.name);
  frame.append("g").attr("class", "shapes").html(put(shapes.map((shape) => shape(at))));
  return new Markup(element.outerHTML);
};
