"use strict";
const content = JSON.parse(document.getElementById("content").textContent);
const trials = new Map(content.trials.map(trial => [trial.id, trial]));
const screen_ = document.getElementById("screen");
const place = "sovits-listening-test-" + content.test;
const MARKS = [["1", "bad"], ["2", "poor"], ["3", "fair"], ["4", "good"], ["5", "excellent"]];
const LIKENESS = [["1", "another person"], ["2", "rather another"], ["3", "unsure"], ["4", "rather the same"], ["5", "the same person"]];
let keeps = true, began = 0, refresh = () => {};

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}
function shuffled(items) {
  const mixed = [...items], numbers = crypto.getRandomValues(new Uint32Array(mixed.length));
  for (let last = mixed.length - 1; last > 0; last--) {
    const other = numbers[last] % (last + 1);
    [mixed[last], mixed[other]] = [mixed[other], mixed[last]];
  }
  return mixed;
}

// Every listener has an order of their own; which of two comes first is drawn anew in every question.
function fresh() {
  const of = kind => shuffled(content.trials.filter(trial => trial.kind === kind).map(trial => trial.id));
  return {
    rater: [...crypto.getRandomValues(new Uint8Array(8))].map(byte => byte.toString(16).padStart(2, "0")).join(""),
    name: "", started: new Date().toISOString(), order: [...of("preference"), ...of("marks")], at: -1,
    sides: Object.fromEntries(content.trials.map(trial => [trial.id, shuffled(trial.sounds)])), answers: {},
  };
}
function remembered() {
  try {
    const state = JSON.parse(localStorage.getItem(place));
    return state && state.order.length === trials.size ? state : fresh();
  } catch { return fresh(); }
}
function keep() {
  try { localStorage.setItem(place, JSON.stringify(state)); } catch { keeps = false; }
}
const state = remembered();
state.at = -1;

function answer(id) {
  return state.answers[id] ??= {trial: id, kind: trials.get(id).kind, plays: {}, seconds: 0};
}
function answered(id) {
  const given = state.answers[id];
  if (!given) return false;
  if (given.broken) return true;
  return given.kind === "preference" ? given.choice !== undefined : given.naturalness !== undefined && given.similarity !== undefined;
}
function needed(trial) { return trial.reference ? [...trial.sounds, trial.reference] : trial.sounds; }

function show() {
  began = Date.now();
  refresh = () => {};
  if (state.at < 0) screen_.replaceChildren(...welcome());
  else if (state.at >= state.order.length) screen_.replaceChildren(...end());
  else screen_.replaceChildren(...question(trials.get(state.order[state.at])));
  refresh();
  scrollTo(0, 0);
}
function go(to) {
  const id = state.order[state.at];
  if (id && state.answers[id]) state.answers[id].seconds = Math.round(10 * (state.answers[id].seconds + (Date.now() - began) / 1000)) / 10;
  state.at = to;
  keep();
  show();
}

function welcome() {
  const of = kind => content.trials.filter(trial => trial.kind === kind).length;
  const pairs = of("preference"), marks = of("marks"), done = state.order.filter(answered).length;
  const parts = [pairs && `${pairs} pairs: which of the two sounds more natural`,
    marks && `${marks} single clips: how natural each is, and how much it sounds like the person of a reference recording`].filter(Boolean);
  const name = make("input", {class: "name", id: "name", value: state.name, autocomplete: "off", oninput: event => { state.name = event.target.value; keep(); }});
  const first = Math.max(state.order.findIndex(id => !answered(id)), 0);
  return [
    make("h2", {}, "Which voice sounds better?"),
    make("p", {}, "You will hear short sentences. There are no right answers: say what you hear. Use headphones in a quiet place, and set the volume before you begin."),
    make("ul", {}, ...parts.map(part => make("li", {}, part))),
    make("p", {}, "Answers are kept in this browser as you go: you can close the page and come back. At the end you save them as a file and send it to whoever asked you. Nothing is sent by the page."),
    make("label", {for: "name"}, "A name or initials, if you like"), name,
    make("div", {class: "buttons"}, make("button", {class: "main", id: "begin", onclick: () => { keep(); go(done === state.order.length ? done : first); }},
      done ? `Go on (${done} of ${state.order.length} answered)` : "Begin")),
  ];
}

function player(source, heading, given, update) {
  const told = make("span", {}, given.plays[source] ? "heard" : "");
  const audio = make("audio", {controls: true, preload: "auto", src: "audio/" + source});
  audio.addEventListener("play", () => { for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause(); });
  audio.addEventListener("ended", () => {
    given.plays[source] = (given.plays[source] ?? 0) + 1;
    told.textContent = "heard";
    keep();
    update();
  });
  audio.addEventListener("error", () => { given.broken = true; told.textContent = "does not play: this question is left out"; told.className = "warning"; keep(); update(); });
  return make("div", {class: "sound"}, make("b", {}, heading, told), audio);
}
function choices(name, legend, options, given, update) {
  return make("fieldset", {}, make("legend", {}, legend), make("div", {class: "choices"}, ...options.map(([value, heading, meaning]) => {
    const input = make("input", {type: "radio", name, value: String(value), onchange: () => { given[name] = value; keep(); update(); }});
    input.checked = given[name] === value;
    return make("label", {}, input, make("b", {}, heading), make("span", {}, meaning));
  })));
}
function question(trial) {
  const given = answer(trial.id), last = state.at === state.order.length - 1;
  const next = make("button", {class: "main", id: "next", onclick: () => go(state.at + 1)}, last ? "Finish" : "Next");
  const hint = make("p", {class: "hint"});
  const update = () => {
    const heard = needed(trial).every(source => given.plays[source]);
    for (const set of screen_.querySelectorAll("fieldset")) set.disabled = !heard;
    next.disabled = !answered(trial.id);
    hint.textContent = given.broken ? "" : heard ? "" : "Listen to each clip to its end; then answer.";
  };
  const parts = [progress()];
  if (trial.kind === "preference") {
    const sides = state.sides[trial.id];
    given.left = sides[0];
    parts.push(make("h2", {}, "Which sounds more natural?"), make("p", {class: "text"}, trial.text),
      make("div", {class: "sounds"}, player(sides[0], "First", given, update), player(sides[1], "Second", given, update)),
      choices("choice", "Your choice", [[sides[0], "First", ""], [null, "Neither", "no difference"], [sides[1], "Second", ""]], given, update));
  } else {
    given.sound = trial.sounds[0];
    parts.push(make("h2", {}, "How does this clip sound?"), make("p", {class: "text"}, trial.text),
      make("div", {class: "sounds"}, player(trial.reference, "Reference", given, update), player(trial.sounds[0], "Clip", given, update)),
      choices("naturalness", "How natural is the clip?", MARKS.map(([mark, word]) => [Number(mark), mark, word]), given, update),
      choices("similarity", "Is it the person of the reference?", LIKENESS.map(([mark, word]) => [Number(mark), mark, word]), given, update));
  }
  const back = make("button", {id: "back", disabled: state.at === 0, onclick: () => go(state.at - 1)}, "Back");
  const stop = make("button", {class: "link", id: "stop", onclick: () => go(state.order.length)}, "Stop here");
  parts.push(hint, make("div", {class: "buttons"}, back, next, stop));
  refresh = update;
  return parts;
}
function progress() {
  const done = state.order.filter(answered).length, all = state.order.length;
  const fill = make("i");
  fill.style.width = 100 * done / all + "%";
  const lost = keeps ? "" : " · this browser keeps nothing: do not close the page before you have saved the answers";
  return make("div", {}, make("div", {class: "bar"}, fill), make("p", {class: "count"}, `${state.at + 1} of ${all}${lost}`));
}

function result() {
  const answers = state.order.filter(answered).map(id => state.answers[id]);
  const finished = answers.length === state.order.length;
  return {format: content.format, test: content.test, rater: state.rater, name: state.name, started: state.started,
    saved: new Date().toISOString(), finished, answers};
}
function end() {
  const given = result(), open = state.order.length - given.answers.length;
  const text = JSON.stringify(given, null, 1);
  const file = `answers_${content.test}_${(state.name || state.rater).replace(/[^\p{L}\p{N}_-]+/gu, "_")}.json`;
  const save = () => {
    const link = make("a", {href: URL.createObjectURL(new Blob([text], {type: "application/json"})), download: file});
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  return [
    make("h2", {}, open ? "Stopped before the end" : "Thank you!"),
    make("p", {}, open ? `${open} of ${state.order.length} questions have no answer yet. You can go on, or save what there is.` :
      "All questions are answered. Save the answers as a file and send it to whoever asked you."),
    make("div", {class: "buttons"}, make("button", {class: "main", id: "save", onclick: save}, "Save the answers"),
      make("button", {id: "back", onclick: () => go(open ? state.order.findIndex(id => !answered(id)) : state.order.length - 1)}, open ? "Go on" : "Back")),
    make("details", {}, make("summary", {}, "The answers as text, if saving does not work"), make("textarea", {id: "answers", readonly: true, rows: 12, style: "width:100%"}, text)),
  ];
}
show();
