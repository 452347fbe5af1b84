"use strict";
// The large view, the keys and all that is at the top of the page.

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
