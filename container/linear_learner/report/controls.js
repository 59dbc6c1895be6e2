(() => {
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
  const move = () => {
    const at = Number(slider.value);
    const text = number(details[choice.channel].thresholds[at]);
    document.getElementById("threshold-value").value = text;
    slider.setAttribute("aria-valuetext", text);
    for (const matrix of document.querySelectorAll(".matrix")) {
      const counts = details[matrix.dataset.channel].confusion;
      const found = ratios(counts, at);
      for (const cell of matrix.querySelectorAll("[data-cell]")) cell.textContent = count(counts[cell.dataset.cell][at]);
      for (const cell of matrix.querySelectorAll("[data-ratio]")) cell.textContent = number(found[cell.dataset.ratio]);
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
})();
