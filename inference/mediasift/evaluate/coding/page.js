"use strict";
// One item at a time; answers are kept in the browser and saved as a CSV. All text goes in as text, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const KEYS = "123456789abcdefghijklmpqrtuvwxyz"; // n, o and s have a meaning of their own
const NOTE = "note";
const at = (id) => document.getElementById(id);
let coder = null; // {coder, items}
let work = null; // {position, answers: {item: {variable: answer, note}}}
let current = 0; // number of the question that keys answer
let isKept = true; // whether the browser keeps the answers
let isSaved = true;

function make(tag, text, names = {}) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(names)) node.setAttribute(name, value);
  return node;
}

// ---- answers

// A variable may be called `constructor`, which every object has.
const of = (answers, name) => (Object.hasOwn(answers, name) ? answers[name] : undefined);

const home = (one) => `mediasift-coding:${data.id}:${one.coder}`;

function read(one) {
  const empty = { position: 0, answers: {} };
  try {
    return { ...empty, ...JSON.parse(localStorage.getItem(home(one)) || "{}") };
  } catch {
    return empty;
  }
}

function keep() {
  isSaved = false;
  try {
    localStorage.setItem(home(coder), JSON.stringify(work));
    isKept = true;
  } catch {
    isKept = false;
    say("This browser keeps nothing for this page. Save the CSV before you close it.");
  }
}

// The text of a decimal number; undefined for all else: what JavaScript takes for one may be nothing, or hexadecimal.
function decimal(text) {
  const is = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim()) && Number.isFinite(Number(text));
  return is ? String(Number(text)) : undefined;
}

const given = (answer) => (answer === undefined ? [] : Array.isArray(answer) ? answer : [answer]);

function isAsked(variable, answers) {
  return variable.ask_if.every(([name, wanted]) => given(of(answers, name)).some((one) => wanted.includes(one)));
}

// What counts of the raw answers: to questions that are asked, and that are answers.
function effective(raw) {
  const answers = {};
  for (const variable of data.variables) {
    const answer = of(raw, variable.name);
    if (answer === undefined || !isAsked(variable, answers)) continue;
    if (variable.kind === "number") {
      const number = decimal(answer);
      if (number !== undefined) answers[variable.name] = number;
    } else if (Array.isArray(answer) || answer.trim() !== "") {
      answers[variable.name] = Array.isArray(answer) ? answer : answer.trim();
    }
  }
  return answers;
}

const rawOf = (item) => work.answers[item] || {};
const askedOf = (answers) => data.variables.filter((one) => isAsked(one, answers));

function isDone(item, answersOf = rawOf) {
  const answers = effective(answersOf(item));
  return askedOf(answers).every((one) => of(answers, one.name) !== undefined);
}

const item = () => coder.items[work.position];

function set(name, answer) {
  const raw = { ...rawOf(item()) };
  if (answer === undefined) delete raw[name];
  else raw[name] = answer;
  work.answers[item()] = raw;
  keep();
}

// ---- the page

function say(text) {
  at("message").textContent = text;
  at("message").hidden = !text;
}

function chooseCoder() {
  coder = null;
  at("coding").hidden = true;
  at("coders").hidden = false;
  at("who").textContent = at("count").textContent = "";
  const list = at("coder-list");
  list.replaceChildren();
  for (const one of data.coders) {
    const before = read(one).answers;
    const done = one.items.filter((each) => isDone(each, (name) => before[name] || {})).length;
    const button = make("button", `Coder ${one.coder}: ${one.items.length} to code, ${done} done`, { type: "button" });
    button.addEventListener("click", () => begin(one));
    list.append(button);
  }
}

function begin(one) {
  coder = one;
  work = read(one);
  isSaved = true;
  at("coders").hidden = true;
  at("coding").hidden = false;
  at("who").replaceChildren();
  if (data.coders.length > 1) {
    const button = make("button", `Coder ${one.coder}`, { type: "button", id: "change", title: "Choose another coder" });
    button.addEventListener("click", chooseCoder);
    at("who").append(button);
  }
  if (!(work.position < coder.items.length)) work.position = 0;
  const open = coder.items.findIndex((each) => !isDone(each));
  go(open < 0 ? work.position : open);
}

function go(position) {
  work.position = Math.max(0, Math.min(coder.items.length - 1, position));
  const answers = effective(rawOf(item()));
  const open = data.variables.findIndex((one) => isAsked(one, answers) && of(answers, one.name) === undefined);
  current = Math.max(0, open);
  show();
  ask();
}

function show() {
  const one = data.items[item()];
  const figure = at("shown");
  figure.replaceChildren();
  at("name").textContent = one.name;
  if (one.error) {
    figure.append(make("p", `It cannot be shown: ${one.error}`, { class: "error", dir: "auto" }));
    return;
  }
  if (one.kind === "picture") {
    figure.append(make("img", undefined, { src: one.file, alt: "The item to code" }));
    if (one.box) {
      const frame = make("div", undefined, { class: "box" });
      const [left, top, right, bottom] = one.box.map((part) => part * 100);
      Object.assign(frame.style, {
        left: `${left}%`, top: `${top}%`, width: `${right - left}%`, height: `${bottom - top}%`,
      });
      figure.append(frame);
    }
  } else {
    const player = make(one.kind === "film" ? "video" : "audio", undefined, { src: one.file, controls: "" });
    player.addEventListener("error", () => figure.append(make("p", "This browser cannot play it.", { class: "error" })));
    figure.append(player);
  }
  const next = data.items[coder.items[work.position + 1]];
  if (next && next.kind === "picture" && next.file) new Image().src = next.file; // so that it is there at once
}

function ask() {
  const answers = effective(rawOf(item()));
  const list = at("questions");
  list.replaceChildren();
  data.variables.forEach((variable, number) => {
    if (isAsked(variable, answers)) list.append(question(variable, number));
  });
  at("note").value = rawOf(item())[NOTE] || "";
  count();
}

function question(variable, number) {
  const field = make("fieldset", undefined, { "data-variable": variable.name });
  if (number === current) field.classList.add("current");
  field.append(make("legend", variable.question, { dir: "auto" }));
  if (variable.definition) field.append(make("p", variable.definition, { class: "definition", dir: "auto" }));
  field.append(variable.values.length ? values(variable, number) : entry(variable, number));
  return field;
}

function values(variable, number) {
  const box = make("div", undefined, { class: "values", role: "group" });
  const chosen = of(rawOf(item()), variable.name);
  const add = (key, label, isOn, value, about = []) => {
    const button = make("button", undefined, { type: "button", "aria-pressed": String(isOn), "data-value": value });
    if (key) button.append(make("kbd", key), " ");
    button.append(make("span", label, { class: "value", dir: "auto" }));
    for (const text of about) if (text) button.append(make("span", text, { class: "definition", dir: "auto" }));
    button.addEventListener("click", () => choose(variable, number, value));
    box.append(button);
  };
  variable.values.forEach((one, place) => {
    add(KEYS[place], one.label, given(chosen).includes(one.value), one.value,
        [one.definition, one.example && `e.g. ${one.example}`]);
  });
  if (variable.kind === "several") {
    add("0", "none of these", Array.isArray(chosen) && !chosen.length, "");
  }
  return box;
}

function entry(variable, number) {
  const input = make("input", undefined, { type: "text", autocomplete: "off", dir: "auto" });
  if (variable.kind === "number") input.setAttribute("inputmode", "decimal");
  input.setAttribute("aria-label", variable.question);
  input.value = of(rawOf(item()), variable.name) ?? "";
  const check = () => {
    const isWrong = variable.kind === "number" && input.value.trim() !== "" && decimal(input.value) === undefined;
    input.setAttribute("aria-invalid", String(isWrong));
    input.title = isWrong ? "Write a number, with a point before its decimals: 1.5" : "";
  };
  check();
  input.addEventListener("focus", () => { if (current !== number) { current = number; mark(); } });
  input.addEventListener("input", () => {
    set(variable.name, input.value === "" ? undefined : input.value);
    check();
    count();
  });
  return input;
}

function mark() {
  for (const field of at("questions").children) {
    field.classList.toggle("current", field.dataset.variable === data.variables[current].name);
  }
}

function choose(variable, number, value) {
  current = number;
  if (variable.kind === "several") {
    const before = given(of(rawOf(item()), variable.name));
    const toggled = before.includes(value) ? before.filter((one) => one !== value) : [...before, value];
    const ordered = variable.values.map((one) => one.value).filter((one) => toggled.includes(one));
    set(variable.name, value === "" ? [] : ordered.length ? ordered : undefined);
  } else {
    set(variable.name, value);
    moveOn();
  }
  ask();
}

// To the next question of this item that is asked and open; false where there is none.
function moveOn() {
  const answers = effective(rawOf(item()));
  const open = data.variables.findIndex((one) => isAsked(one, answers) && of(answers, one.name) === undefined);
  if (open >= 0) current = open;
  return open >= 0;
}

function count() {
  const done = coder.items.filter((one) => isDone(one)).length;
  at("bar").max = coder.items.length;
  at("bar").value = done;
  at("count").textContent = `${work.position + 1} of ${coder.items.length}, ${done} coded`;
  if (isKept) say(done < coder.items.length ? "" : "All are coded. Save the CSV and hand it in.");
}

function focusCurrent() {
  const field = [...at("questions").children].find((one) => one.classList.contains("current"));
  const input = field && field.querySelector("input");
  if (input) input.focus();
  else if (document.activeElement) document.activeElement.blur();
  if (field) field.scrollIntoView({ block: "nearest" });
}

function confirm() {
  if (moveOn()) {
    ask();
  } else if (work.position + 1 < coder.items.length) {
    go(work.position + 1);
  } else {
    const open = coder.items.findIndex((one) => !isDone(one));
    if (open >= 0) go(open);
  }
  focusCurrent();
}

function step(by) {
  const answers = effective(rawOf(item()));
  const asked = data.variables.map((_, number) => number).filter((number) => isAsked(data.variables[number], answers));
  const place = asked.indexOf(current) + by;
  if (place >= 0 && place < asked.length) current = asked[place];
  ask();
  focusCurrent();
}

function nextOpen() {
  const order = [...coder.items.keys()];
  const later = [...order.slice(work.position + 1), ...order.slice(0, work.position + 1)];
  const open = later.find((position) => !isDone(coder.items[position]));
  if (open !== undefined) go(open);
}

// ---- the table

const cell = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function table() {
  const lines = [[...data.columns, "coder", ...data.variables.map((one) => one.name), NOTE]];
  for (const each of coder.items) {
    const answers = effective(rawOf(each));
    const written = data.variables.map((one) => {
      const answer = of(answers, one.name);
      return answer === undefined ? "" : Array.isArray(answer) ? answer.join(data.between) || data.nothing : answer;
    });
    lines.push([...data.items[each].unit, coder.coder, ...written, (rawOf(each)[NOTE] || "").trim()]);
  }
  return lines.map((line) => line.map(cell).join(",") + "\n").join("");
}

function save() {
  if (!coder) return;
  const url = URL.createObjectURL(new Blob([table()], { type: "text/csv;charset=utf-8" }));
  const link = make("a", undefined, { href: url, download: `coded-${coder.coder}.csv` });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
  isSaved = true;
}

// ---- keys

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (!coder) {
    const chosen = data.coders[Number(event.key) - 1];
    if (!at("coders").hidden && chosen) begin(chosen);
    return;
  }
  const isTyping = event.target.tagName === "INPUT";
  if (isTyping && !["Enter", "Escape", "ArrowUp", "ArrowDown"].includes(event.key)) return;
  if (event.target.tagName === "BUTTON" && event.key === " ") return; // presses it
  const variable = data.variables[current];
  const own = {
    Enter: confirm, Escape: () => document.activeElement.blur(), ArrowLeft: () => go(work.position - 1),
    ArrowRight: () => go(work.position + 1), ArrowUp: () => step(-1), ArrowDown: () => step(1), o: nextOpen, s: save,
    n: () => at("note").focus(), " ": play,
  };
  const place = KEYS.indexOf(event.key);
  if (Object.hasOwn(own, event.key)) {
    own[event.key]();
  } else if (variable.values.length && event.key.length === 1 && place >= 0 && place < variable.values.length) {
    choose(variable, current, variable.values[place].value);
    focusCurrent();
  } else if (variable.kind === "several" && event.key === "0") {
    choose(variable, current, "");
  } else {
    return;
  }
  event.preventDefault();
}

function play() {
  const player = at("shown").querySelector("video, audio");
  if (player) player.paused ? player.play() : player.pause();
}

at("title").textContent = data.name;
at("save").addEventListener("click", save);
at("before").addEventListener("click", () => go(work.position - 1));
at("after").addEventListener("click", () => go(work.position + 1));
at("open").addEventListener("click", nextOpen);
at("note").addEventListener("input", () => set(NOTE, at("note").value || undefined));
document.addEventListener("keydown", press);
window.addEventListener("beforeunload", (event) => { if (!isKept && !isSaved) event.preventDefault(); });
if (data.coders.length > 1) chooseCoder();
else begin(data.coders[0]);
