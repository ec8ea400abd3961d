// What was said in this visit: kept, listed, shown again.
import {$, make, tell} from "./dom.js";
import {load, shown, start, timesText} from "./player.js";
import {samplesOf, wavOf} from "./samples.js";

const MOST_TAKES = 20;
const TYPES = {wav: "audio/wav", flac: "audio/flac", mp3: "audio/mpeg", opus: "audio/ogg", pcm: "audio/pcm"};

const takes = [];

/** An answer with everything that is needed to play and to download it. */
export async function newTake(request, answer, id, taken) {
  const bytes = Uint8Array.from(atob(answer.audio), sign => sign.charCodeAt(0));
  const raw = answer.format === "pcm";
  const file = new Blob([bytes], {type: TYPES[answer.format]});
  // Bare samples have no player: a copy gets a head, and the download stays as it was asked for.
  const playable = raw ? wavOf(new Int16Array(bytes.buffer), answer.sample_rate) : file;
  const url = URL.createObjectURL(playable);
  const download = raw ? URL.createObjectURL(file) : url;
  return {request, answer, id, taken, url, download, samples: await samplesOf(await playable.arrayBuffer(), 16000)};
}

export function keep(take) {
  takes.unshift(take);
  for (const old of takes.splice(MOST_TAKES)) {
    URL.revokeObjectURL(old.url);
    URL.revokeObjectURL(old.download);
  }
  listTakes();
}

function listTakes() {
  $("takes").hidden = takes.length === 0;
  $("take-list").replaceChildren(...takes.map(take => {
    const {request, answer} = take;
    const told = `${request.speaker_id} · ${answer.seconds.toFixed(2)} s · ${timesText(request.speed)} · seed ${answer.seed} · ${answer.format}`;
    const button = make("button", {type: "button", className: "show"}, make("span", {textContent: request.text}), make("small", {textContent: told}));
    if (take === shown) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => { show(take, true); $("take-list").querySelector("[aria-current]").focus(); });
    const again = make("button", {type: "button", className: "link", textContent: "edit", title: "Put its text, voice and settings back"});
    again.setAttribute("aria-label", `Put text and settings back: ${request.text}`);
    // To the form for texts, which knows how.
    again.addEventListener("click", () => $("take-list").dispatchEvent(new CustomEvent("put-back", {detail: take})));
    return make("li", {}, button, again);
  }));
}

/** The take in the player, with what is known of it. */
export function show(take, play) {
  const {request, answer} = take;
  tell("play-error");
  $("result").hidden = false;
  $("result-title").replaceChildren(request.speaker_id, " ", make("small", {textContent: `${timesText(request.speed)} · ${answer.format}`}));
  $("seconds").textContent = `${answer.seconds.toFixed(2)} s`;
  $("taken").textContent = `${take.taken.toFixed(2)} s`;
  $("seed-used").textContent = answer.seed;
  $("request-id").textContent = take.id ?? "–";
  $("download").href = take.download;
  $("download").download = `${request.speaker_id.replace(/[^\p{L}\p{N}_.-]+/gu, "_")}_${answer.seed}.${answer.format}`;
  load(take);
  listTakes();
  if (play) start();
}
$("keep-seed").addEventListener("click", () => {
  $("seed").value = shown.answer.seed;
  $("seed").setAttribute("aria-invalid", false);
  $("status").textContent = `The seed ${shown.answer.seed} is kept.`;
});
