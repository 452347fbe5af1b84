"use strict";
// What the page holds: the rows of tiles, and which of them are shown, in which order and groups.
const at = (id) => document.getElementById(id);
const data = JSON.parse(at("data").textContent);
const { tiles, places } = data;
const count = tiles.place.length;
places.large.forEach((large, place) => { if (large === "=") places.large[place] = places.link[place]; });
const GAP = 10, HEAD = 34, LANE = 9, CHUNKS = 500, EMPTY = "(empty)";

const first = new Int32Array(count + 1); // the rows of a tile begin here
tiles.rows.forEach((rows, tile) => { first[tile + 1] = first[tile] + rows; });
const rowCount = first[count];
const tileOf = new Int32Array(rowCount);
for (let tile = 0; tile < count; tile++) tileOf.fill(tile, first[tile], first[tile + 1]);

function make(tag, text, names = {}) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(names)) node.setAttribute(name, value);
  return node;
}

// ---- columns

const columns = data.columns.map(({ name, values, cells }) => (values
  ? { name, values, cells: Int32Array.from(cells), category: { values, cells } }
  : { name, cells: Float64Array.from(cells, (cell) => (cell === null ? NaN : cell)) }));
for (const column of columns) if (!column.category) column.category = fewNumbers(column);
const named = (name) => columns.find((one) => one.name === name);
const [errors, found, begins, ends] = ["error", "found", "start_s", "end_s"].map(named);

// Whole numbers of which there are few different ones, as values to choose from.
function fewNumbers({ cells }) {
  const different = new Set();
  for (const cell of cells) {
    if (Number.isNaN(cell)) continue;
    if (!Number.isInteger(cell) || different.size > 500) return null;
    different.add(cell);
  }
  const values = [...different].sort((a, b) => a - b);
  const numbers = new Map(values.map((value, number) => [value, number]));
  return { values: values.map(String), cells: Int32Array.from(cells, (cell) => numbers.get(cell) ?? -1) };
}

function cellText(column, row) {
  const cell = column.cells[row];
  if (column.values) return cell < 0 ? "" : column.values[cell];
  return Number.isNaN(cell) ? "" : String(Number.isInteger(cell) ? cell : +cell.toPrecision(4));
}

const errorOf = (row) => (errors ? cellText(errors, row) : "") || places.error[tiles.place[tileOf[row]]];
const boxOf = (row) => (Array.isArray(data.boxes[row]) ? data.boxes[row] : null);
const trouble = (row) => [data.boxes[row], data.outlines[row]].find((one) => typeof one === "string") || "";
const pathOf = (tile) => places.path[tiles.place[tile]];
const hue = (number) => `hsl(${(number * 137.5 + 205) % 360} 72% 52%)`;
const colourOf = (row) => (colour && colour.category.cells[row] >= 0 ? hue(colour.category.cells[row]) : "#e6007e");

function clock(seconds) {
  const whole = Math.floor(seconds / 60);
  const rest = (seconds - 60 * whole).toFixed(1).padStart(4, "0");
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}:${rest}`;
}

const timeOf = (tile) => (tiles.time_s[tile] !== "" ? Number(tiles.time_s[tile]) : begins ? begins.cells[first[tile]] : NaN);

function placeText(tile) {
  if (tiles.page[tile]) return `p. ${tiles.page[tile]}`;
  const time = timeOf(tile);
  return Number.isNaN(time) ? (tiles.frame[tile] ? `frame ${tiles.frame[tile]}` : "") : clock(time);
}

// ---- what a row says in a line: [text, number]

const MAIN = [["label", "score"], ["label", "count"], ["text", "confidence"], ["value", "score"], ["match", "similarity"],
  ["similarity"], ["shot", "length_s"], ["format", "duration_s"], ["typical"]];

function saying(row) {
  const stands = named("representative");
  if (stands && cellText(stands, row) === pathOf(tileOf[row])) return ["stands for the group", ""];
  for (const [name, beside] of MAIN) {
    const column = named(name), text = column ? cellText(column, row) : "";
    if (!text) continue;
    const number = beside && named(beside) ? cellText(named(beside), row) : "";
    return [column.values ? text : `${name} ${text}`, number && beside.endsWith("_s") ? `${number} s` : number];
  }
  if (found && found.cells[row] === 0) return ["nothing found", ""];
  if (named("query") && !cellText(named("rank") || named("query"), row)) return ["the query", ""];
  const others = columns.filter((one) => one !== errors && one !== found && cellText(one, row));
  return [others.slice(0, 2).map((one) => (one.values ? cellText(one, row) : `${one.name} ${cellText(one, row)}`)).join(" · "), ""];
}

// ---- filters, order, groups

const filters = new Map(); // column → {chosen: Set} or {least, most}
let onlyErrors = 0, query = "", region = null; // 1: only, 2: none; region: what the map has chosen, tile → whether
let sorted = "", descending = false, grouped = data.grouped, colour = null;
let hits = new Uint8Array(rowCount).fill(1), order = [], groups = [], lines = [], lineOf = new Int32Array(count);
let current = -1, isList = data.is_list, side = 152;

function matching() {
  hits = new Uint8Array(rowCount).fill(1);
  for (const [column, { chosen, least, most }] of filters) {
    if (chosen) {
      const { cells, values } = column.category;
      for (let row = 0; row < rowCount; row++) hits[row] &= chosen.has(cells[row] < 0 ? values.length : cells[row]);
    } else {
      for (let row = 0; row < rowCount; row++) hits[row] &= column.cells[row] >= least && column.cells[row] <= most;
    }
  }
  if (onlyErrors) for (let row = 0; row < rowCount; row++) hits[row] &= Boolean(errorOf(row)) === (onlyErrors === 1);
  if (region) for (let row = 0; row < rowCount; row++) hits[row] &= region(tileOf[row]);
  const wanted = query.trim().toLowerCase();
  if (!wanted) return;
  const inPath = places.path.map((path) => path.toLowerCase().includes(wanted));
  const texts = columns.filter((one) => one.values).map(({ cells, values }) => [cells, values.map((one) => one.toLowerCase().includes(wanted))]);
  for (let row = 0; row < rowCount; row++) {
    hits[row] &= inPath[tiles.place[tileOf[row]]] || texts.some(([cells, has]) => cells[row] >= 0 && has[cells[row]]);
  }
}

const collator = new Intl.Collator(undefined, { numeric: true });

function ranks(values) { // where each stands in their order
  const ranked = new Float64Array(values.length);
  [...values.keys()].sort((a, b) => collator.compare(values[a], values[b])).forEach((value, rank) => { ranked[value] = rank; });
  return ranked;
}

function keys() { // tile → what it is sorted by
  if (sorted === "path") {
    const ranked = ranks(places.path);
    return (tile) => ranked[tiles.place[tile]];
  }
  const column = columns[Number(sorted)];
  const ranked = column.values && ranks(column.values);
  return (tile) => {
    let best = NaN;
    for (let row = first[tile]; row < first[tile + 1]; row++) {
      const cell = column.cells[row], value = ranked ? (cell < 0 ? NaN : ranked[cell]) : cell;
      if (hits[row] && !Number.isNaN(value) && !(descending ? best >= value : best <= value)) best = value;
    }
    return best;
  };
}

function arrange() {
  matching();
  order = [];
  for (let tile = 0; tile < count; tile++) {
    for (let row = first[tile]; row < first[tile + 1]; row++) if (hits[row]) { order.push(tile); break; }
  }
  const typical = sorted === "" && grouped === "cluster" && named("typical");
  if (sorted !== "" || typical) {
    const key = typical ? (tile) => typical.cells[first[tile]] : keys(), value = new Float64Array(count);
    for (const tile of order) value[tile] = key(tile);
    const turn = descending ? -1 : 1;
    order.sort((a, b) => {
      const left = value[a], right = value[b];
      if (Number.isNaN(left) || Number.isNaN(right)) return Number.isNaN(left) - Number.isNaN(right) || a - b;
      return turn * (left - right) || a - b;
    });
  } else if (descending) {
    order.reverse();
  }
  gather();
  const rows = hits.reduce((sum, one) => sum + one, 0);
  at("count").textContent = `${order.length.toLocaleString("en")} of ${count.toLocaleString("en")}` +
    (rowCount > count ? ` · ${rows.toLocaleString("en")} rows` : "");
  at("all").hidden = !(filters.size || onlyErrors || query || region);
  if (current >= 0 && !order.includes(current)) current = -1;
  pack();
  if (map) map.draw();
}

function gather() {
  groups = [];
  if (!grouped) {
    groups = [{ name: "", tiles: order }];
    return;
  }
  const column = named(grouped), known = new Map();
  for (const tile of order) {
    let key = pathOf(tile);
    if (column) {
      let row = first[tile];
      while (row < first[tile + 1] - 1 && !hits[row]) row++;
      key = cellText(column, row);
    }
    if (!known.has(key)) known.set(key, { key, tiles: [] });
    known.get(key).tiles.push(tile);
  }
  groups = [...known.values()];
  if (column && !column.values && sorted === "") groups.sort((a, b) => (a.key === "") - (b.key === "") || a.key - b.key);
  else if (column) groups.sort((a, b) => (a.key === "") - (b.key === ""));
  const similar = named("similarity");
  for (const group of groups) {
    group.name = !column ? group.key : group.key === "" ? `without ${grouped}` : column.values ? group.key : `${grouped} ${group.key}`;
    if (grouped === "pair" && similar) group.name += ` · similarity ${cellText(similar, first[group.tiles[0]])}`;
    group.lanes = grouped === "path" && begins && ends ? stripOf(group) : null;
  }
  order = groups.flatMap((group) => group.tiles);
}
