"use strict";
// Tiles of a table, filtered, sorted and grouped; only those in sight are in the document. All text goes in as text.
const at = (id) => document.getElementById(id);
const data = JSON.parse(at("data").textContent);
const { tiles, places } = data;
const count = tiles.place.length;
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
    const key = typical ? (tile) => typical.cells[first[tile]] : keys(), value = new Map(order.map((tile) => [tile, key(tile)]));
    const turn = descending ? -1 : 1;
    order.sort((a, b) => {
      const [left, right] = [value.get(a), value.get(b)];
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

// ---- lines of tiles; small groups stand side by side

const tileHeight = () => (isList ? Math.max(76, Math.round(side * 0.7)) : side + 46);
const wellSide = () => (isList ? tileHeight() : side);

function pack() {
  const width = at("scroll").clientWidth - GAP, most = isList ? 1 : Math.max(1, Math.floor(width / (side + GAP + 2)));
  const step = Math.floor(width / most), height = tileHeight() + GAP;
  lines = [];
  let top = GAP, line = null;
  const open = (head) => {
    if (line) top += line.height;
    line = { top, height: height + head, head, tiles: [], heads: [] };
    lines.push(line);
  };
  for (const group of groups) {
    const head = group.name ? HEAD + (group.lanes ? group.lanes.height : 0) : 0;
    const fits = line && head && !group.lanes && line.head === head && line.tiles.length + group.tiles.length <= most && !line.full;
    if (!fits) open(head);
    const slots = Math.min(group.tiles.length, most);
    const wide = group.lanes || group.tiles.length >= most;
    if (head) line.heads.push({ group, left: GAP + line.tiles.length * step, width: wide ? width - GAP : slots * step - GAP });
    for (const tile of group.tiles) {
      if (line.tiles.length >= most) open(0);
      lineOf[tile] = lines.length - 1;
      line.tiles.push({ tile, left: GAP + line.tiles.length * step, width: step - GAP });
    }
    if (wide || !head) line.full = true;
  }
  at("sheet").style.height = `${line ? top + line.height + GAP : 0}px`;
  for (const node of drawn.values()) node.remove();
  drawn.clear();
  render();
}

const drawn = new Map(); // number of a line → its element

function render() {
  const box = at("scroll"), from = box.scrollTop - box.clientHeight, to = box.scrollTop + 2 * box.clientHeight;
  let low = 0, high = lines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (lines[middle].top + lines[middle].height < from) low = middle + 1;
    else high = middle;
  }
  let last = low;
  while (last < lines.length && lines[last].top < to) last++;
  for (const [number, node] of drawn) if (number < low || number >= last) { node.remove(); drawn.delete(number); }
  for (let number = low; number < last; number++) {
    if (drawn.has(number)) continue;
    const node = lineNode(lines[number]);
    drawn.set(number, node);
    at("sheet").append(node);
  }
}

function put(node, style) {
  for (const [name, value] of Object.entries(style)) node.style[name] = typeof value === "number" ? `${value}px` : value;
  return node;
}

function lineNode(line) {
  const node = put(make("div", undefined, { class: "line" }), { top: line.top, height: line.height });
  for (const { group, left, width } of line.heads) {
    const head = put(make("div", group.name, { class: "head", dir: "auto", title: group.name }), { left, width });
    const about = [group.tiles.length > 1 && group.tiles.length.toLocaleString("en"), group.lanes && clock(group.lanes.end)];
    head.append(" ", make("small", about.filter(Boolean).join(" · ")));
    node.append(head);
    if (group.lanes) node.append(stripNode(group, left, width));
  }
  for (const { tile, left, width } of line.tiles) node.append(put(tileNode(tile), { left, top: line.head, width, height: tileHeight() }));
  return node;
}

function tileNode(tile) {
  const place = tiles.place[tile], well = wellSide();
  const node = make("div", undefined, { class: isList ? "tile row" : "tile", id: `tile-${tile}`, role: "option", "data-tile": tile });
  if (tile === current) node.classList.add("current");
  const frame = put(make("div", undefined, { class: "well" }), isList ? { width: well } : { height: well });
  const width = places.width[place], height = places.height[place];
  if (width) {
    const scale = well / Math.max(width, height);
    const picture = put(make("div", undefined, { class: "frame" }), { width: Math.max(1, width * scale), height: Math.max(1, height * scale), background: `#${places.color[place]}` });
    const image = make("img", undefined, { alt: "" });
    fill(image, place);
    picture.append(image, overlay(tile));
    frame.append(picture);
  } else if (places.error[place]) {
    frame.append(make("div", places.error[place], { class: "lacking", dir: "auto" }));
  } else {
    frame.append(make("span", places.kind[place] === "sound" ? "♪" : "–", { class: "note-sign" }));
  }
  const badge = placeText(tile);
  if (badge) frame.append(make("span", badge, { class: "badge" }));
  node.append(frame, captionNode(tile));
  return node;
}

function captionNode(tile) {
  const node = make("div", undefined, { class: "caption" }), lineCount = isList ? 4 : 1, seen = new Set();
  node.style.setProperty("--clamp", named("text") && first[tile + 1] - first[tile] === 1 ? "4" : "2");
  let wrong = "";
  for (let row = first[tile]; row < first[tile + 1]; row++) {
    wrong ||= (errors ? cellText(errors, row) : "") || trouble(row);
    const [text, number] = hits[row] ? saying(row) : ["", ""];
    if (!text || seen.size >= lineCount || seen.has(text)) continue;
    seen.add(text);
    const line = make("div", undefined, { class: "main", dir: "auto", title: text });
    if (colour && colour.category.cells[row] >= 0) line.append(put(make("span", undefined, { class: "swatch" }), { background: colourOf(row) }));
    line.append(text, " ", make("b", number));
    node.append(line);
  }
  const total = first[tile + 1] - first[tile];
  const name = pathOf(tile).replace(/[\\/]+$/, "").split("/").pop();
  if (wrong) node.append(make("div", wrong, { class: "wrong", dir: "auto", title: wrong }));
  else node.append(make("div", total > lineCount ? `${total} rows · ${name}` : name, { class: "more", dir: "auto", title: pathOf(tile) }));
  return node;
}

// ---- boxes and masks

const SVG = "http://www.w3.org/2000/svg";
let masks = 0;

function draw(tag, names) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(names)) node.setAttribute(name, value);
  return node;
}

function overlay(tile) {
  const stroke = first[tile + 1] - first[tile] > 20 ? 0.7 : 2; // many lines would hide what they are around
  const svg = draw("svg", { class: "over", viewBox: "0 0 1000 1000", preserveAspectRatio: "none" });
  for (let row = first[tile]; row < first[tile + 1]; row++) {
    if (!hits[row]) continue;
    const paint = colourOf(row), box = boxOf(row), outlines = data.outlines[row], mask = data.masks[row];
    if (Array.isArray(outlines)) {
      const path = outlines.map((line) => `M${line.join(" ")}Z`).join("");
      svg.append(draw("path", { d: path, fill: paint, "fill-opacity": 0.45, "fill-rule": "evenodd", stroke: paint, "stroke-width": 1 }));
    } else if (mask) {
      const id = `mask-${masks++}`, whole = { width: 1000, height: 1000 };
      const shape = draw("mask", { id, ...whole, x: 0, y: 0, maskUnits: "userSpaceOnUse" });
      shape.append(draw("image", { href: mask, ...whole, preserveAspectRatio: "none" }));
      svg.append(shape, draw("rect", { ...whole, fill: paint, "fill-opacity": 0.5, mask: `url(#${id})` }));
    }
    if (box) {
      const [left, top, right, bottom] = box;
      svg.append(draw("rect", { x: left, y: top, width: right - left, height: bottom - top, fill: "none", stroke: paint, "stroke-width": stroke }));
    }
  }
  return svg;
}

// ---- films: what begins and ends when

function stripOf(group) {
  const kinds = named("kind"), lanes = new Map();
  let end = 0;
  for (const tile of group.tiles) {
    for (let row = first[tile]; row < first[tile + 1]; row++) {
      if (!hits[row] || Number.isNaN(begins.cells[row]) || Number.isNaN(ends.cells[row])) continue;
      const lane = kinds ? cellText(kinds, row) : "";
      if (!lanes.has(lane)) lanes.set(lane, []);
      lanes.get(lane).push(row);
      end = Math.max(end, ends.cells[row]);
    }
  }
  return end > 0 ? { rows: [...lanes.values()], end, height: lanes.size === 1 ? 20 : LANE * lanes.size + 8 } : null;
}

function stripNode({ lanes: { rows, end, height } }, left, width) {
  const lane = (height - 6) / rows.length, node = make("canvas", undefined, { class: "strip" });
  const scale = window.devicePixelRatio || 1;
  [node.width, node.height] = [width * scale, height * scale];
  put(node, { left, top: HEAD - 2, width, height });
  const brush = node.getContext("2d");
  brush.scale(scale, scale);
  rows.forEach((several, number) => several.forEach((row, place) => {
    brush.fillStyle = colour ? colourOf(row) : hue(number);
    brush.globalAlpha = place % 2 ? 0.45 : 0.85;
    const from = (begins.cells[row] / end) * width;
    brush.fillRect(from, number * lane, Math.max(1, (ends.cells[row] / end) * width - from), lane - 1);
  }));
  const meant = (event) => {
    const time = (event.offsetX / width) * end, several = rows[Math.min(rows.length - 1, Math.floor(event.offsetY / lane))];
    return several.findLast((row) => begins.cells[row] <= time) ?? several[0];
  };
  node.addEventListener("mousemove", (event) => {
    const row = meant(event);
    node.title = `${clock(begins.cells[row])} to ${clock(ends.cells[row])}  ${saying(row)[0]}`;
  });
  node.addEventListener("click", (event) => choose(tileOf[meant(event)]));
  return node;
}

// ---- thumbnails, in the page or in scripts beside it, which call `arrived`

const inside = JSON.parse(at("inside").textContent);
const scripts = new Map(); // number → its thumbnails, or the images that wait for them

function fill(image, place) {
  if (!data.chunk) {
    if (inside[place]) image.src = `data:image/webp;base64,${inside[place]}`;
    return;
  }
  const number = Math.floor(place / data.chunk);
  const known = scripts.get(number);
  image.dataset.within = place % data.chunk;
  if (known && known.pictures) {
    scripts.delete(number); // behind those that were used before it
    scripts.set(number, known);
    shine(image, known.pictures);
  } else if (known) {
    known.waiting.push(image);
  } else {
    scripts.set(number, { waiting: [image] });
    const script = make("script", undefined, { src: `thumbnails/${number}.js` });
    script.addEventListener("error", () => arrived(number, []));
    script.addEventListener("load", () => script.remove());
    document.head.append(script);
  }
}

function shine(image, pictures) {
  if (pictures[image.dataset.within]) image.src = `data:image/webp;base64,${pictures[image.dataset.within]}`;
}

function arrived(number, pictures) {
  const { waiting = [] } = scripts.get(number) || {};
  scripts.set(number, { pictures });
  for (const image of waiting) shine(image, pictures);
  for (const [old, { pictures: has }] of scripts) {
    if (scripts.size <= CHUNKS) break;
    if (has) scripts.delete(old);
  }
}

// ---- the chosen tile, and the large view

function choose(tile, { open = false } = {}) {
  at(`tile-${current}`)?.classList.remove("current");
  current = tile;
  if (tile < 0) return;
  const line = lines[lineOf[tile]], box = at("scroll");
  const above = line.top, below = line.top + line.height - box.clientHeight + GAP;
  if (box.scrollTop > above) box.scrollTop = above;
  else if (box.scrollTop < below) box.scrollTop = below;
  render();
  at(`tile-${tile}`)?.classList.add("current");
  box.setAttribute("aria-activedescendant", `tile-${tile}`);
  if (open || at("large").open) show(tile);
  if (map) map.draw();
}

function step(by) {
  const position = order.indexOf(current);
  choose(order[Math.max(0, Math.min(order.length - 1, position + by))] ?? -1);
}

function climb(by) {
  if (current < 0) return step(1);
  const from = lines[lineOf[current]].tiles.find((one) => one.tile === current).left, line = lines[lineOf[current] + by];
  if (line) choose(line.tiles.reduce((best, one) => (Math.abs(one.left - from) < Math.abs(best.left - from) ? one : best)).tile);
}

function show(tile) {
  if (!at("large").open) at("large").showModal();
  const place = tiles.place[tile], stage = at("stage"), kind = places.kind[place];
  stage.replaceChildren();
  const width = places.width[place], height = places.height[place];
  if (width) {
    const scale = Math.min(stage.clientWidth / width, stage.clientHeight / height);
    const picture = put(make("div", undefined, { id: "picture" }), { width: width * scale, height: height * scale });
    const image = make("img", undefined, { alt: pathOf(tile) });
    image.addEventListener("error", () => {
      if (places.large[place] && image.dataset.within === undefined) {
        fill(image, place);
        stage.append(make("p", "The file cannot be shown; this is its thumbnail.", { class: "lacking" }));
      }
    }, { once: true });
    if (places.large[place]) image.src = places.large[place];
    else fill(image, place);
    picture.append(image, overlay(tile));
    for (let row = first[tile]; row < first[tile + 1]; row++) tag(picture, row);
    stage.append(picture);
  } else {
    const reason = places.error[place] || (kind === "sound" ? "♪" : "There is nothing to see.");
    stage.append(make("p", reason, { class: places.error[place] ? "lacking" : "note-sign", dir: "auto" }));
  }
  at("name").textContent = [pathOf(tile), placeText(tile)].filter(Boolean).join(", ");
  at("position").textContent = `${(order.indexOf(tile) + 1).toLocaleString("en")} of ${order.length.toLocaleString("en")}`;
  at("file").hidden = !places.link[place];
  if (places.link[place]) at("file").href = places.link[place];
  at("play").hidden = !places.link[place] || !["video", "sound"].includes(kind) || Boolean(places.error[place]);
  at("rows").replaceChildren(...tables(tile));
}

function tag(picture, row) {
  const box = boxOf(row), [text, number] = saying(row);
  if (!box || !hits[row] || (named("text") && !named("label"))) return;
  const node = put(make("span", `${text} ${number}`, { class: "name-tag", dir: "auto" }), { left: `${box[0] / 10}%`, top: `${box[1] / 10}%`, background: colourOf(row) });
  if (box[1] < 40) node.classList.add("inside");
  picture.append(node);
}

function tables(tile) {
  const shown = [];
  for (let row = first[tile]; row < first[tile + 1]; row++) {
    const table = make("table", undefined, { class: hits[row] ? "" : "off" });
    const cells = columns.map((one) => [one.name, cellText(one, row)]).concat([["", trouble(row)]]);
    for (const [name, text] of cells) {
      if (!text) continue;
      const line = make("tr");
      line.append(make("td", name), make("td", text, { class: name === "error" || name === "" ? "wrong" : "", dir: "auto" }));
      table.append(line);
    }
    if (table.childElementCount) shown.push(table);
  }
  return shown.length > 300 ? [...shown.slice(0, 300), make("p", `and ${shown.length - 300} more rows`)] : shown;
}

function play() {
  const place = tiles.place[current], start = begins ? begins.cells[first[current]] : timeOf(current);
  const player = make(places.kind[place] === "video" ? "video" : "audio", undefined, { controls: "" });
  player.src = `${places.link[place]}${Number.isNaN(start) ? "" : `#t=${start}`}`;
  player.addEventListener("error", () => at("stage").append(make("p", "This browser cannot play it; open the file.", { class: "lacking" })));
  at("stage").replaceChildren(player);
  player.play().catch(() => {}); // the error event says so
}

// ---- filters on the left

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
  if (!column.category || isAlike(column)) return false;
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

// ---- controls

function choices(select, pairs, chosen, change) {
  for (const [value, text] of pairs) select.append(make("option", text, { value }));
  select.value = chosen;
  select.addEventListener("change", () => change(select.value));
}

function paintBy(name) {
  colour = named(name) ?? null;
  facets();
}

function turn() {
  descending = !descending;
  at("direction").textContent = descending ? "↓" : "↑";
  arrange();
}

function lay(list) {
  isList = list;
  at("view").textContent = isList ? "▦" : "☰";
  pack();
  if (current >= 0) choose(current);
}

function resized(value) {
  side = Math.max(64, Math.min(320, value));
  at("size").value = side;
  pack();
  if (current >= 0) choose(current);
}

function outlined() {
  const isOff = document.body.classList.toggle("no-outline");
  at("outline").setAttribute("aria-pressed", String(!isOff));
}

function themed() {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  if (map) map.draw();
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || at("keys").open) return;
  const isOpen = at("large").open, { tagName, type } = event.target;
  if (tagName === "INPUT" && !["checkbox", "radio", "range"].includes(type)) {
    if (event.key === "Escape" || (event.key === "Enter" && event.target === at("search"))) { at("scroll").focus(); event.preventDefault(); }
    return;
  }
  if (["VIDEO", "AUDIO", "SELECT"].includes(tagName) && event.key !== "Escape") return;
  if (tagName === "INPUT" && event.key.startsWith("Arrow")) return;
  if (["BUTTON", "A", "SUMMARY"].includes(tagName) && event.key === "Enter") return; // presses it
  const far = (tile) => { choose(tile ?? -1); };
  const own = {
    ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => (isOpen ? step(-1) : climb(-1)),
    ArrowDown: () => (isOpen ? step(1) : climb(1)), Home: () => far(order[0]), End: () => far(order.at(-1)),
    Enter: () => { if (current >= 0) show(current); }, "/": () => at("search").focus(), b: outlined, v: () => lay(!isList),
    d: themed, a: showAll, "+": () => resized(side + 24), "-": () => resized(side - 24), "?": () => at("keys").showModal(),
    e: () => { onlyErrors = onlyErrors === 1 ? 0 : 1; facets(); arrange(); },
  };
  if (!Object.hasOwn(own, event.key)) return;
  own[event.key]();
  event.preventDefault();
}

const map = places.path.length && named("cluster") && named("x") && named("y") ? makeMap(named("x"), named("y")) : null;
at("title").textContent = data.title;
at("note").textContent = data.note;
const all = columns.map((one) => one.name), few = columns.filter((one) => one.category && one !== errors);
choices(at("sort"), [["", "as in the table"], ["path", "name"], ...columns.map((one, number) => [number, one.name])], "", (value) => { sorted = value; arrange(); });
choices(at("group"), [["", "no groups"], ["path", "file"], ...few.map((one) => [one.name, one.name])].concat(few.some((one) => one.name === grouped) || ["", "path"].includes(grouped) ? [] : [[grouped, grouped]]), grouped, (value) => { grouped = value; arrange(); });
const painted = ["cluster", "label", "kind"].find((name) => few.some((one) => one.name === name)) ?? "";
choices(at("colour"), [["", "one"], ...few.map((one) => [one.name, one.name])], painted, (value) => { paintBy(value); arrange(); });
at("direction").addEventListener("click", turn);
at("view").addEventListener("click", () => lay(!isList));
at("outline").addEventListener("click", outlined);
at("theme").addEventListener("click", themed);
at("help").addEventListener("click", () => at("keys").showModal());
at("all").addEventListener("click", showAll);
at("size").addEventListener("input", () => resized(Number(at("size").value)));
at("close").addEventListener("click", () => at("large").close());
at("before").addEventListener("click", () => step(-1));
at("after").addEventListener("click", () => step(1));
at("play").addEventListener("click", play);
at("large").addEventListener("close", () => { at("stage").replaceChildren(); at("scroll").focus(); });
at("sheet").addEventListener("click", (event) => {
  const node = event.target.closest(".tile");
  if (node) choose(Number(node.dataset.tile), { open: true });
});
let typing;
at("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => { query = at("search").value; arrange(); }, count > 5000 ? 150 : 0);
});
document.addEventListener("keydown", press);
at("scroll").addEventListener("scroll", render);
let width = at("scroll").clientWidth;
new ResizeObserver(() => { if (at("scroll").clientWidth !== width) { width = at("scroll").clientWidth; pack(); } else render(); }).observe(at("scroll"));
paintBy(painted);
lay(isList);
arrange();
at("scroll").focus();
