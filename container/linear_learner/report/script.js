"use strict";
(() => {
  const count = (value) => value.toLocaleString("en-GB");
  const format = (value) => {
    const size = Math.abs(value);
    return size >= 1000 && size < 1e9 ? count(Math.round(value)) : value ? value.toPrecision(4) : "0";
  };

  // -- tables that sort by the column whose heading is pressed ------------------------------------------------
  const value = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    const number = Number(text);
    return text !== "" && !Number.isNaN(number) ? number : text;
  };
  const compare = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    if (typeof a === typeof b) return a < b ? -1 : Number(a > b);
    return typeof a === "number" ? -1 : 1;
  };
  const sort = (table, heading) => {
    const column = heading.cellIndex;
    const descending = heading.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const size = (x) => (heading.dataset.by === "size" && typeof x === "number" ? Math.abs(x) : x);
    const rows = [...table.tBodies[0].rows].map((row) => [size(value(row, column)), row]);
    rows.sort(([a], [b]) => (a === "" || b === "" ? compare(a, b) : (descending ? -1 : 1) * compare(a, b)));
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    for (const heading of table.tHead.rows[0].cells) {
      heading.querySelector("button")?.addEventListener("click", () => sort(table, heading));
    }
  }

  // -- candidates whose curves stand out ----------------------------------------------------------------------
  for (const button of document.querySelectorAll("button.show")) {
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      for (const line of document.querySelectorAll(`[data-candidate="${button.dataset.candidate}"]`)) {
        if (line === button) continue;
        line.classList.toggle("shown", on);
        if (on) line.parentNode.append(line);
      }
    });
  }

  // -- the threshold ------------------------------------------------------------------------------------------
  const slider = document.getElementById("slider");
  if (!slider) return;
  const numbers = JSON.parse(document.getElementById("numbers").textContent);
  const ratio = (part, whole) => (whole ? part / whole : 0);
  const move = () => {
    const at = Number(slider.value);
    const text = format(numbers.thresholds[at]);
    document.getElementById("threshold-value").value = text;
    slider.setAttribute("aria-valuetext", text);
    for (const matrix of document.querySelectorAll(".matrix")) {
      const counts = numbers.channels[matrix.dataset.channel];
      const of = (name) => counts[name][at];
      for (const cell of matrix.querySelectorAll("[data-cell]")) cell.textContent = count(of(cell.dataset.cell));
      const right = of("true_positives");
      const wrong = of("false_positives");
      const missed = of("false_negatives");
      const rest = of("true_negatives");
      const ratios = {
        accuracy: ratio(right + rest, right + wrong + missed + rest),
        precision: ratio(right, right + wrong),
        recall: ratio(right, right + missed),
        F1: ratio(2 * right, 2 * right + wrong + missed),
      };
      for (const cell of matrix.querySelectorAll("[data-ratio]")) {
        cell.textContent = format(ratios[cell.dataset.ratio]);
      }
    }
    for (const marker of document.querySelectorAll("[data-places]")) {
      const [x, y] = marker.dataset.places.split(";")[at].split(",");
      marker.setAttribute("cx", x);
      marker.setAttribute("cy", y);
    }
  };
  slider.addEventListener("input", move);
  document.getElementById("reset").addEventListener("click", () => {
    slider.value = slider.dataset.chosen;
    move();
  });
  move();
})();
