// The player: plays, seeks, draws the waveform and lights the word that is being said.
import {$, make, tell} from "./dom.js";

/** The take that it plays. */
export let shown = null;
export const timesText = value => `${value.toFixed(2)} ×`;

/** Makes a take ready to play. */
export function load(take) {
  shown = take;
  const audio = $("audio"), {words, seconds} = take.answer;
  $("words").replaceChildren(...words.map(word => {
    const button = make("button", {type: "button", title: `${word.start.toFixed(2)}–${word.end.toFixed(2)} s`}, word.text, make("small", {textContent: word.start.toFixed(2)}));
    button.addEventListener("click", () => { audio.currentTime = word.start; start(); });
    return button;
  }));
  $("seek").setAttribute("aria-valuemax", seconds.toFixed(2));
  audio.src = take.url;
  follow();
}

/** Plays; a browser that wants a click first, or another take in between, is no error. */
export function start() {
  if ($("audio").ended) $("audio").currentTime = 0;
  $("audio").play().catch(error => { if (!["NotAllowedError", "AbortError", "NotSupportedError"].includes(error.name)) throw error; });
}

let frame = 0;
function follow() {
  // One loop, however many events ask for it.
  cancelAnimationFrame(frame);
  const audio = $("audio"), {words, seconds} = shown.answer, now = Math.min(audio.currentTime, seconds);
  // At the very beginning, before anything was played, no word is lit.
  const at = audio.paused && now === 0 || audio.ended ? -1 : words.findIndex(word => word.start <= now && now < word.end);
  [...$("words").children].forEach((button, number) => {
    if (number === at) button.setAttribute("aria-current", "true"); else button.removeAttribute("aria-current");
  });
  $("clock").textContent = `${now.toFixed(1)} / ${seconds.toFixed(1)} s`;
  $("seek").setAttribute("aria-valuenow", now.toFixed(2));
  $("seek").setAttribute("aria-valuetext", `${now.toFixed(1)} of ${seconds.toFixed(1)} seconds`);
  $("play").classList.toggle("playing", !audio.paused);
  $("play").setAttribute("aria-label", audio.paused ? "Play" : "Pause");
  draw(now / seconds, words[at]);
  if (!audio.paused) frame = requestAnimationFrame(follow);
}
for (const event of ["play", "pause", "ended", "seeked"]) $("audio").addEventListener(event, () => follow());
$("audio").addEventListener("error", () => tell("play-error", "This browser cannot play this audio; download it, or choose another format."));

function toggle() {
  if ($("audio").paused) start(); else $("audio").pause();
}
$("play").addEventListener("click", toggle);

function seekTo(seconds) {
  $("audio").currentTime = Math.max(0, Math.min(seconds, shown.answer.seconds - 0.01));
}
const seekPointer = event => {
  const box = $("seek").getBoundingClientRect();
  seekTo((event.clientX - box.left) / box.width * shown.answer.seconds);
};
$("seek").addEventListener("pointerdown", event => { $("seek").setPointerCapture(event.pointerId); seekPointer(event); });
$("seek").addEventListener("pointermove", event => { if (event.buttons) seekPointer(event); });
$("seek").addEventListener("keydown", event => {
  const now = $("audio").currentTime, end = shown.answer.seconds;
  const steps = {ArrowLeft: now - 0.2, ArrowDown: now - 0.2, ArrowRight: now + 0.2, ArrowUp: now + 0.2, Home: 0, End: end, PageUp: now + 1, PageDown: now - 1};
  if (event.key === " ") toggle();
  else if (event.key in steps) seekTo(steps[event.key]);
  else return;
  event.preventDefault();
});

/** The waveform as bars, what was played in colour, behind it the word that is being said. */
function draw(share, word) {
  const canvas = $("wave"), ratio = devicePixelRatio, {width, height} = canvas.getBoundingClientRect();
  if (width === 0) return;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const paint = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  const [kept, soft] = ["--kept", "--soft"].map(name => style.getPropertyValue(name));
  paint.scale(ratio, ratio);
  if (word) {
    paint.globalAlpha = 0.2;
    paint.fillStyle = kept;
    const {seconds} = shown.answer;
    paint.fillRect(word.start / seconds * width, 0, (word.end - word.start) / seconds * width, height);
  }
  const step = 4, loud = barsOf(shown, Math.floor(width / step));
  for (let at = 0; at < loud.length; at++) {
    const played = (at + 0.5) / loud.length <= share, tall = Math.max(2, loud[at] * (height - 6));
    paint.globalAlpha = played ? 1 : 0.45;
    paint.fillStyle = played ? kept : soft;
    paint.beginPath();
    paint.roundRect(at * step + 0.5, (height - tall) / 2, step - 1.5, tall, 1.5);
    paint.fill();
  }
  if (share > 0 && share < 1) {
    paint.globalAlpha = 1;
    paint.fillStyle = style.getPropertyValue("--ink");
    paint.fillRect(share * width - 0.75, 0, 1.5, height);
  }
}

/** The largest sample of each of `count` stretches, over the largest of all; kept with the take as long as the page is as wide. */
function barsOf(take, count) {
  if (take.bars?.length === count) return take.bars;
  const {samples} = take;
  take.bars = Float32Array.from({length: count}, (_, at) => {
    let most = 0;
    const end = Math.floor((at + 1) * samples.length / count);
    for (let place = Math.floor(at * samples.length / count); place < end; place++) most = Math.max(most, Math.abs(samples[place]));
    return most;
  });
  const top = take.bars.reduce((one, other) => Math.max(one, other), 1e-6);
  take.bars = take.bars.map(value => value / top);
  return take.bars;
}
new ResizeObserver(() => { if (shown) follow(); }).observe($("wave"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (shown) follow(); });
