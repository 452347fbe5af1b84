"use strict";
// The pictures as points: wheel and drag change what is in sight, a click sees one, Shift and drag chooses some.
function makeMap(xs, ys) {
  const plot = at("plot"), brush = plot.getContext("2d"), DOT = 2.6, PICTURE = 44;
  at("map").hidden = false;
  const x = (tile) => xs.cells[first[tile]], y = (tile) => ys.cells[first[tile]];
  const placed = [...tiles.place.keys()].filter((tile) => !Number.isNaN(x(tile)));
  const ends = (values) => values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  const [left, right] = ends(placed.map(x)), [bottom, top] = ends(placed.map(y));
  const typical = named("typical"), pictures = new Map(); // of the most typical of each cluster
  for (const tile of placed) {
    if (typical.cells[first[tile]] !== 1) continue;
    const image = new Image();
    image.addEventListener("load", () => plan());
    pictures.set(tile, image);
  }
  let zoom = 1, middle = [(left + right) / 2, (bottom + top) / 2], drag = null, planned = false;

  const scale = () => zoom * 0.9 * Math.min(plot.clientWidth / (right - left || 1), plot.clientHeight / (top - bottom || 1));
  const screen = (tile) => [plot.clientWidth / 2 + (x(tile) - middle[0]) * scale(), plot.clientHeight / 2 - (y(tile) - middle[1]) * scale()];
  const world = (h, v) => [middle[0] + (h - plot.clientWidth / 2) / scale(), middle[1] - (v - plot.clientHeight / 2) / scale()];

  function plan() {
    if (planned) return;
    planned = true;
    requestAnimationFrame(() => { planned = false; paint(); });
  }

  function paint() {
    const ratio = window.devicePixelRatio || 1, wide = Math.round(plot.clientWidth * ratio), high = Math.round(plot.clientHeight * ratio);
    if (plot.width !== wide || plot.height !== high) [plot.width, plot.height] = [wide, high];
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    brush.clearRect(0, 0, plot.clientWidth, plot.clientHeight);
    const shown = new Set(order), dot = DOT * Math.min(3, Math.max(0.7, Math.sqrt(zoom) * Math.min(1.6, 60 / Math.sqrt(placed.length + 1) + 0.5)));
    for (const tile of placed) {
      const [h, v] = screen(tile), isShown = shown.has(tile);
      brush.globalAlpha = isShown ? 0.85 : 0.12;
      brush.fillStyle = colour ? colourOf(first[tile]) : hue(0);
      brush.beginPath();
      brush.arc(h, v, dot, 0, 7);
      brush.fill();
    }
    brush.globalAlpha = 1;
    for (const [tile, image] of pictures) {
      if (!image.complete || !image.naturalWidth || !shown.has(tile)) continue;
      const [h, v] = screen(tile), factor = PICTURE / Math.max(image.naturalWidth, image.naturalHeight);
      const [w, t] = [image.naturalWidth * factor, image.naturalHeight * factor];
      brush.drawImage(image, h - w / 2, v - t / 2, w, t);
      brush.lineWidth = 2.5;
      brush.strokeStyle = colour ? colourOf(first[tile]) : hue(0);
      brush.strokeRect(h - w / 2, v - t / 2, w, t);
    }
    if (current >= 0 && !Number.isNaN(x(current))) ring(...screen(current));
    if (drag && drag.chooses) {
      brush.strokeStyle = "#0b62c4";
      brush.lineWidth = 1;
      brush.strokeRect(drag.from[0], drag.from[1], drag.to[0] - drag.from[0], drag.to[1] - drag.from[1]);
    }
  }

  function ring(h, v) {
    for (const [stroke, size] of [["#fff", 5], ["#0b62c4", 2.5]]) {
      brush.strokeStyle = stroke;
      brush.lineWidth = size;
      brush.beginPath();
      brush.arc(h, v, 8, 0, 7);
      brush.stroke();
    }
  }

  function nearest(h, v) {
    let best = null, least = 144;
    for (const tile of order) {
      const [a, b] = screen(tile), distance = (a - h) ** 2 + (b - v) ** 2;
      if (distance < least) [best, least] = [tile, distance];
    }
    for (const tile of pictures.keys()) {
      const [a, b] = screen(tile);
      if (best === null && Math.max(Math.abs(a - h), Math.abs(b - v)) < PICTURE / 2 && order.includes(tile)) best = tile;
    }
    return best;
  }

  function hover(h, v) {
    const tile = nearest(h, v), box = at("hover");
    box.hidden = tile === null;
    if (tile === null || box.dataset.tile === String(tile)) return;
    box.dataset.tile = tile;
    const image = make("img", undefined, { alt: "" });
    fill(image, tiles.place[tile]);
    box.replaceChildren(image, make("div", saying(first[tile])[0], { dir: "auto" }), make("div", pathOf(tile).split("/").pop(), { dir: "auto" }));
    put(box, { left: Math.min(h + 14, plot.clientWidth - 190), top: Math.min(v + 14, plot.clientHeight - 190) });
  }

  plot.addEventListener("wheel", (event) => {
    event.preventDefault();
    const [h, v] = [event.offsetX, event.offsetY], before = world(h, v);
    zoom = Math.max(0.5, Math.min(400, zoom * Math.exp(-event.deltaY / 400)));
    const after = world(h, v);
    middle = [middle[0] + before[0] - after[0], middle[1] + before[1] - after[1]];
    plan();
  }, { passive: false });
  plot.addEventListener("pointerdown", (event) => {
    const here = [event.offsetX, event.offsetY];
    drag = { from: here, to: here, middle, chooses: event.shiftKey };
    plot.setPointerCapture(event.pointerId);
  });
  plot.addEventListener("pointermove", (event) => {
    if (!drag) return hover(event.offsetX, event.offsetY);
    drag.to = [event.offsetX, event.offsetY];
    const [h, v] = [drag.to[0] - drag.from[0], drag.to[1] - drag.from[1]];
    if (!drag.chooses) middle = [drag.middle[0] - h / scale(), drag.middle[1] + v / scale()];
    plan();
  });
  plot.addEventListener("pointerup", () => {
    const { from, to, chooses } = drag, isClick = Math.hypot(to[0] - from[0], to[1] - from[1]) < 4;
    drag = null;
    if (isClick) {
      const tile = nearest(...to);
      if (tile !== null) choose(tile, { open: true });
      else if (region) { region = null; arrange(); }
    } else if (chooses) {
      const [a, b] = [world(...from), world(...to)], [low, high] = [0, 1].map((end) => [0, 1].map((axis) => Math[end ? "max" : "min"](a[axis], b[axis])));
      region = (tile) => x(tile) >= low[0] && x(tile) <= high[0] && y(tile) >= low[1] && y(tile) <= high[1];
      arrange();
    }
    plan();
  });
  plot.addEventListener("pointerleave", () => { at("hover").hidden = true; });
  new ResizeObserver(plan).observe(plot);
  setTimeout(() => { for (const [tile, image] of pictures) fill(image, tiles.place[tile]); });
  return { draw: plan, screen };
}
