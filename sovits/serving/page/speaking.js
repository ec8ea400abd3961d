// A text, how it is to be said, and the asking for it.
import {Cancelled, ask, keyIsWanted} from "./asking.js";
import {$, tell} from "./dom.js";
import {timesText} from "./player.js";
import {keep, newTake, show} from "./takes.js";
import {choose, chosen, loadVoices} from "./voices.js";

let running = null;
const speed = () => Math.round(100 * 2 ** Number($("speed").value)) / 100;

/** Characters as the service counts them: code points, not UTF-16 units. */
const characters = text => [...text].length;

export function updateSpeak() {
  const count = characters($("text").value), most = Number($("text").dataset.most), over = count - most;
  $("count").textContent = `${count} of ${most}`;
  $("over").textContent = over > 0 ? `${over} too many: shorten it, or send it in parts` : "";
  $("count").parentElement.classList.toggle("above", over > 0);
  $("text").setAttribute("aria-invalid", over > 0);
  $("speak").disabled = running !== null || over > 0 || chosen === null || $("text").value.trim() === "";
}

export function updateSpeed() {
  $("speed-shown").value = timesText(speed());
  $("speed").setAttribute("aria-valuetext", `${speed()} times`);
  $("speed-back").hidden = speed() === 1;
}

/** What is asked for; null with a message where the seed is none. */
function requested() {
  const written = $("seed").value.trim();
  const seed = written === "" ? crypto.getRandomValues(new Uint32Array(1))[0] : Number(written);
  const wrong = !/^\d*$/.test(written) || !Number.isSafeInteger(seed);
  $("seed").setAttribute("aria-invalid", wrong);
  if (wrong) {
    tell("speak-error", `A seed is a whole number from 0 to ${Number.MAX_SAFE_INTEGER}; leave it empty for a random one.`);
    $("seed").focus();
    return null;
  }
  const language = document.querySelector("[name=language]:checked").value || null;
  return {text: $("text").value, speaker_id: chosen, format: $("format").value, speed: speed(), seed, language, timestamps: true};
}

function setRunning(controller) {
  // Whoever pressed a button that goes must find the other one under the finger.
  const held = document.activeElement === $("speak") || document.activeElement === $("cancel");
  running = controller;
  $("cancel").hidden = $("busy").hidden = controller === null;
  updateSpeak();
  if (held) (controller === null ? $("speak") : $("cancel")).focus();
}

async function speak() {
  updateSpeak();
  if ($("speak").disabled) return;
  tell("speak-error");
  const request = requested();
  if (request === null) return;
  const controller = new AbortController(), began = performance.now();
  $("status").textContent = "Speaking …";
  setRunning(controller);
  let again = null;
  try {
    const sent = {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(request), signal: controller.signal};
    const {headers, body} = await ask("v1/tts", sent);
    const take = await newTake(request, body, headers.get("X-Request-Id"), (performance.now() - began) / 1000);
    $("status").textContent = "Done.";
    keep(take);
    show(take, true);
  } catch (error) {
    const cancelled = error instanceof Cancelled, wanted = keyIsWanted(error, speak);
    $("status").textContent = cancelled ? "Cancelled." : wanted ? "This needs a key: see above." : "";
    if (!cancelled && !wanted) {
      tell("speak-error", error.message);
      again = error.code === "unknown_speaker" ? loadVoices : null;
    }
  } finally {
    setRunning(null);
  }
  again?.();
}

$("speak-form").addEventListener("submit", event => { event.preventDefault(); speak(); });
$("speak-form").addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); speak(); }
  if (event.key === "Escape") running?.abort();
});
$("cancel").addEventListener("click", () => running?.abort());
$("text").addEventListener("input", () => { tell("speak-error"); updateSpeak(); });
$("speed").addEventListener("input", updateSpeed);
$("speed-back").addEventListener("click", () => { $("speed").value = 0; updateSpeed(); $("speed").focus(); });

$("voices").addEventListener("choice", updateSpeak);
$("take-list").addEventListener("put-back", event => putBack(event.detail));

/** Everything as it was for a take, its seed too. */
function putBack({request, answer}) {
  $("text").value = request.text;
  $("seed").value = answer.seed;
  $("format").value = request.format;
  $("speed").value = Math.log2(request.speed);
  document.querySelector(`[name=language][value="${request.language ?? ""}"]`).checked = true;
  const voice = [...$("voices").querySelectorAll("input")].find(input => input.value === request.speaker_id);
  if (voice) { choose(voice.value); voice.scrollIntoView({block: "nearest"}); }
  updateSpeed();
  updateSpeak();
  $("text").focus();
}
