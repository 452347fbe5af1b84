"use strict";
// The filters on the left: values with their counts, and ranges of numbers.

function facets() {
  const list = at("facets");
  list.replaceChildren();
  const wrong = Array.from({ length: rowCount }, (_, row) => Boolean(errorOf(row))).filter(Boolean).length;
  if (wrong) list.append(errorFacet(wrong));
  const first = ["label", "cluster", "kind"], chosen = columns.filter((one) => one !== errors && isChoice(one));
  chosen.sort((a, b) => first.includes(b.name) - first.includes(a.name));
  const numbers = columns.filter((one) => !one.values && !chosen.includes(one) && !["x", "y"].includes(one.name) && !isAlike(one));
  [...chosen, ...numbers].forEach((column, number) => {
    const box = make("details");
    box.open = number < 4;
    box.append(make("summary", column.name, { dir: "auto" }), ...(chosen.includes(column) ? valuesOf(column) : rangeOf(column)));
    list.append(box);
  });
}

const isAlike = ({ cells }) => cells.every((cell) => Object.is(cell, cells[0]));

// Whether the values of a column are to be chosen from, one by one.
function isChoice(column) {
  if (!column.category || isAlike(column) || (column.name === "label_id" && named("label"))) return false;
  const { name, category: { values } } = column;
  if (["label", "cluster", "kind"].includes(name)) return true;
  return name !== "text" && values.length <= (column.values ? Math.max(60, rowCount / 2) : Math.min(24, rowCount / 4));
}

function option(kind, name, text, number, change) {
  const label = make("label"), input = make("input", undefined, { type: kind, name });
  input.addEventListener("change", () => change(input.checked));
  label.append(input, make("span", text, { class: "text", dir: "auto", title: text }), make("span", number, { class: "number" }));
  return [label, input];
}

function errorFacet(wrong) {
  const box = make("details", undefined, { open: "" }), values = make("div", undefined, { class: "values" });
  [["all", rowCount], ["only errors", wrong], ["without errors", rowCount - wrong]].forEach(([text, number], which) => {
    const [label, input] = option("radio", "errors", text, number.toLocaleString("en"), () => { onlyErrors = which; arrange(); });
    input.checked = which === onlyErrors;
    input.dataset.errors = which;
    values.append(label);
  });
  box.append(make("summary", "error"), values);
  return box;
}

function valuesOf(column) {
  const { values, cells } = column.category, total = new Int32Array(values.length + 1);
  for (const cell of cells) total[cell < 0 ? values.length : cell]++;
  const sequence = [...total.keys()].filter((value) => total[value]);
  if (column.values) sequence.sort((a, b) => total[b] - total[a]);
  const box = make("div", undefined, { class: "values", "data-column": column.name });
  const chosen = new Set();
  const change = (value, isOn) => {
    if (isOn) chosen.add(value);
    else chosen.delete(value);
    if (chosen.size) filters.set(column, { chosen });
    else filters.delete(column);
    arrange();
  };
  const write = (wanted) => {
    box.replaceChildren();
    const some = sequence.filter((value) => (values[value] ?? EMPTY).toLowerCase().includes(wanted));
    for (const value of some.slice(0, 200)) {
      const [label, input] = option("checkbox", column.name, values[value] ?? EMPTY, total[value].toLocaleString("en"), (isOn) => change(value, isOn));
      input.checked = chosen.has(value);
      if (colour === column && value < values.length) input.after(put(make("span", undefined, { class: "swatch" }), { background: hue(value) }));
      box.append(label);
    }
    if (some.length > 200) box.append(make("div", `and ${(some.length - 200).toLocaleString("en")} more: narrow them down`, { class: "number" }));
  };
  write("");
  if (sequence.length <= 12) return [box];
  const narrow = make("input", undefined, { type: "search", class: "narrow", placeholder: "narrow down", "aria-label": `Values of ${column.name}` });
  narrow.addEventListener("input", () => write(narrow.value.trim().toLowerCase()));
  return [narrow, box];
}

function rangeOf(column) {
  let least = Infinity, most = -Infinity;
  for (const cell of column.cells) { if (cell < least) least = cell; if (cell > most) most = cell; }
  const bars = make("div", undefined, { class: "bars", "aria-hidden": "true" }), sums = new Array(30).fill(0);
  for (const cell of column.cells) if (!Number.isNaN(cell)) sums[Math.min(29, Math.floor((30 * (cell - least)) / (most - least || 1)))]++;
  const highest = Math.max(...sums);
  for (const sum of sums) bars.append(put(make("i"), { height: `${sum ? Math.max(6, (100 * sum) / highest) : 0}%` }));
  const range = make("div", undefined, { class: "range" });
  const inputs = [["from", least], ["to", most]].map(([text, end]) => make("input", undefined, { type: "number", step: "any", placeholder: `${text} ${+end.toPrecision(4)}`, "aria-label": `${column.name} ${text}`, "data-column": column.name, "data-end": text }));
  const change = () => {
    const [low, high] = inputs.map((one) => (one.value === "" ? NaN : Number(one.value)));
    if (Number.isNaN(low) && Number.isNaN(high)) filters.delete(column);
    else filters.set(column, { least: Number.isNaN(low) ? -Infinity : low, most: Number.isNaN(high) ? Infinity : high });
    arrange();
  };
  for (const input of inputs) input.addEventListener("input", change);
  range.append(...inputs);
  return [bars, range];
}

function showAll() {
  filters.clear();
  onlyErrors = 0;
  region = null;
  query = at("search").value = "";
  facets();
  arrange();
}
