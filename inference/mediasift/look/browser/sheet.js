"use strict";
// Lines of tiles, of which only those in sight are in the document. All text goes in as text, never as markup.
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
