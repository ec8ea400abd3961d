// The voices: chosen, searched, deleted, and looked for again as others enrol and delete too.
import {ask, keyIsWanted, onKey} from "./asking.js";
import {$, make, tell} from "./dom.js";

const MANY_VOICES = 8, LOOK_SECONDS = 30;

let voices = [], told = "", turn = 0, awaited = 0;
/** The id of the one that is chosen; null where there is none. An event `choice` of #voices tells that it changed. */
export let chosen = null;
/** What a new voice is made from; null where nobody can be enrolled. */
export let needs = null;

/** Chooses a voice, and marks it if it is in the list already. */
export function choose(id) {
  chosen = id;
  for (const input of $("voices").querySelectorAll("input")) input.checked = input.value === id;
  $("voices").dispatchEvent(new Event("choice"));
}

/** Asks for them; where it is `quiet`, only what changed is shown, and nothing is said of what went wrong. */
export async function loadVoices(quiet = false) {
  // A look in passing does not get in the way of one that somebody waits for.
  if (quiet && awaited > 0) return;
  const own = ++turn, before = chosen;
  if (!quiet) tell("voices-error");
  awaited += !quiet;
  try {
    const {body} = await ask("v1/speakers"), {speakers} = body, now = JSON.stringify(body);
    // The answer to a later question may come first.
    if (own !== turn || quiet && now === told) return;
    told = now;
    needs = body.enrolment ?? null;
    // Those that somebody enrolled come first: they are few, and a model may have thousands.
    voices = [...speakers.filter(voice => voice.origin === "enrolled"), ...speakers.filter(voice => voice.origin !== "enrolled")];
  } catch (error) {
    if (quiet) return;
    const wanted = keyIsWanted(error, loadVoices);
    tell("voices-note", wanted ? "They are shown to those who have a key." : "");
    tell("voices-error", wanted ? "" : error.message);
    return;
  } finally {
    awaited -= !quiet;
  }
  tell("voices-error");
  if (!voices.some(voice => voice.id === chosen)) chosen = voices[0]?.id ?? null;
  showRows();
  $("voice-count").textContent = voices.length > 1 ? `${voices.length}` : "";
  $("search").hidden = voices.length <= MANY_VOICES;
  if ($("search").hidden) $("search").value = "";
  searchVoices();
  if (quiet && before !== null && before !== chosen) tell("voices-note", `The voice “${before}” is no longer there.`);
  $("voices").dispatchEvent(new Event("choice"));
}

/** Writes the list anew; who stood on a voice stands on it again. */
function showRows() {
  const held = $("voices").contains(document.activeElement) ? document.activeElement : null, place = held?.closest(".voice");
  const id = place?.querySelector("input").value, tag = held?.tagName;
  $("voices").replaceChildren(...voices.map(voiceRow));
  if (held) [...$("voices").children].find(row => row.querySelector("input").value === id)?.querySelector(tag)?.focus();
}

function voiceRow(voice) {
  const input = make("input", {type: "radio", name: "voice", value: voice.id, checked: voice.id === chosen});
  input.addEventListener("change", () => choose(voice.id));
  const about = make("small", {className: "about"});
  const enrolled = voice.origin === "enrolled";
  about.append(make("span", {className: enrolled ? "enrolled" : "", textContent: enrolled ? "enrolled" : "of the model"}), detailsOf(voice));
  const label = make("label", {}, input, make("b", {textContent: voice.id}), about);
  if (voice.consent) label.append(make("small", {className: "consent", textContent: voice.consent}));
  const row = make("div", {className: "voice"}, label);
  if (enrolled) {
    const remove = make("button", {type: "button", textContent: "✕", title: "Delete this voice"});
    remove.setAttribute("aria-label", `Delete the voice ${voice.id}`);
    remove.addEventListener("click", () => confirmRemoval(voice.id));
    row.append(remove);
  }
  return row;
}

function detailsOf({seconds, clips, enrolled_at: day}) {
  const parts = [];
  if (typeof seconds === "number") parts.push(`${seconds.toFixed(1)} s`);
  if (typeof clips === "number") parts.push(clips === 1 ? "1 clip" : `${clips} clips`);
  if (day) parts.push(String(day).slice(0, 10));
  return parts.map(part => ` · ${part}`).join("");
}

function searchVoices() {
  const wanted = $("search").value.trim().toLowerCase();
  let found = 0;
  [...$("voices").children].forEach((row, at) => {
    const voice = voices[at];
    row.hidden = !`${voice.id} ${voice.origin} ${voice.consent ?? ""}`.toLowerCase().includes(wanted);
    found += !row.hidden;
  });
  const none = voices.length === 0 ? "There are no voices yet; enrol one below." : "No voice is like that.";
  tell("voices-note", found === 0 ? none : wanted ? `${found} found` : "");
}
$("search").addEventListener("input", searchVoices);
$("search").addEventListener("keydown", event => {
  if (event.key !== "ArrowDown" && event.key !== "Enter") return;
  event.preventDefault();
  const first = $("voices").querySelector(".voice:not([hidden]) input");
  if (first) { first.focus(); first.click(); }
});

let doubtful = null;
function confirmRemoval(id) {
  doubtful = id;
  $("sure-title").textContent = `Delete the voice “${id}”?`;
  $("sure").showModal();
}
// On the button, as a dialog tells that it closed a moment later, when it may be open again.
$("sure-delete").addEventListener("click", () => removeVoice(doubtful));

async function removeVoice(id) {
  tell("voices-error");
  let problem = "";
  try {
    await ask(`v1/speakers/${encodeURIComponent(id)}`, {method: "DELETE"}, answer => answer.text());
  } catch (error) {
    if (keyIsWanted(error, () => removeVoice(id))) return;
    problem = error.message;
  }
  await loadVoices();
  if (problem) tell("voices-error", problem);
  else tell("voices-note", `The voice “${id}” is deleted.`);
  $("voices").querySelector(":checked")?.focus();
}

onKey(again => { if (voices.length === 0 && again !== loadVoices) loadVoices(); });

/** A look that nobody asked for disturbs nobody: not who is about to delete, and not a page that nobody sees. */
function lookAgain() {
  if (!document.hidden && !$("sure").open) loadVoices(true);
}
addEventListener("focus", lookAgain);
document.addEventListener("visibilitychange", lookAgain);
setInterval(lookAgain, 1000 * LOOK_SECONDS);
