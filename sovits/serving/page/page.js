// The page to try voices with. It asks only the service that sent it, and writes what others wrote as text, never as markup.
const MOST_TAKES = 20, MOST_CLIPS = 20, LONGEST_RECORDING = 55, MANY_VOICES = 8;
const READABLE = /\.(wav|flac|mp3|ogg|opus)$/i;
const TYPES = {wav: "audio/wav", flac: "audio/flac", mp3: "audio/mpeg", opus: "audio/ogg", pcm: "audio/pcm"};
const KEY = "sovits-key";
const $ = id => document.getElementById(id);

/** An element with properties and children; strings become text. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Shows a message, or hides its place where there is none. */
function tell(id, message = "") {
  $(id).textContent = message;
  $(id).hidden = message === "";
}

// ---- Asking the service ------------------------------------------------------------------------------------------------------------

class Refusal extends Error {
  constructor(status, body) {
    let problem = null;
    try { problem = JSON.parse(body).error; } catch (error) { if (!(error instanceof SyntaxError)) throw error; }
    super(typeof problem?.message === "string" ? problem.message : `The service answered ${status} and did not say why.`);
    this.status = status;
    this.code = problem?.code;
  }
}
class Unreachable extends Error {
  constructor() { super("The service does not answer; see whether it still runs, then try again."); }
}
class Cancelled extends Error {}

const authorization = () => {
  const key = sessionStorage.getItem(KEY);
  return key === null ? {} : {Authorization: `Bearer ${key}`};
};

/** An answer of the service, read by `read`; throws a Refusal with its own words. */
async function ask(path, {headers = {}, ...options} = {}, read = answer => answer.json()) {
  try {
    const answer = await fetch(path, {...options, headers: {...headers, ...authorization()}, cache: "no-store"});
    if (!answer.ok) throw new Refusal(answer.status, await answer.text());
    return {headers: answer.headers, body: await read(answer)};
  } catch (error) {
    if (error.name === "AbortError") throw new Cancelled();
    throw error instanceof TypeError ? new Unreachable() : error;
  }
}

let afterKey = null;
/** Whether an error was the wish for a key; then the form for it is shown, and `again` runs once there is one. */
function keyIsWanted(error, again) {
  if (!(error instanceof Refusal) || error.status !== 401) return false;
  afterKey = again;
  $("key-why").textContent = error.message;
  $("key-form").hidden = false;
  $("key").focus();
  return true;
}

$("key-form").addEventListener("submit", event => {
  event.preventDefault();
  const key = $("key").value.trim();
  if (!/^[\x21-\x7e]+$/.test(key)) {
    $("key-why").textContent = "A key has letters, digits and signs of ASCII, and no spaces; copy it once more.";
    $("key").focus();
    return;
  }
  sessionStorage.setItem(KEY, key);
  $("key").value = "";
  $("key-form").hidden = true;
  const again = afterKey;
  afterKey = null;
  if (voices.length === 0 && again !== loadVoices) loadVoices();
  again?.();
});

// ---- Voices ------------------------------------------------------------------------------------------------------------------------

let voices = [], chosen = null;

async function loadVoices() {
  tell("voices-error");
  try {
    const {speakers} = (await ask("v1/speakers")).body;
    // Those that somebody enrolled come first: they are few, and a model may have thousands.
    voices = [...speakers.filter(voice => voice.origin === "enrolled"), ...speakers.filter(voice => voice.origin !== "enrolled")];
  } catch (error) {
    const wanted = keyIsWanted(error, loadVoices);
    tell("voices-note", wanted ? "They are shown to those who have a key." : "");
    tell("voices-error", wanted ? "" : error.message);
    return;
  }
  if (!voices.some(voice => voice.id === chosen)) chosen = voices[0]?.id ?? null;
  $("voices").replaceChildren(...voices.map(voiceRow));
  $("voice-count").textContent = voices.length > 1 ? `${voices.length}` : "";
  $("search").hidden = voices.length <= MANY_VOICES;
  if ($("search").hidden) $("search").value = "";
  searchVoices();
  updateSpeak();
}

function voiceRow(voice) {
  const input = make("input", {type: "radio", name: "voice", value: voice.id, checked: voice.id === chosen});
  input.addEventListener("change", () => { chosen = voice.id; updateSpeak(); });
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

// ---- Speaking ----------------------------------------------------------------------------------------------------------------------

let running = null;
const speed = () => Math.round(100 * 2 ** Number($("speed").value)) / 100;
const timesText = value => `${value.toFixed(2)} ×`;

/** Characters as the service counts them: code points, not UTF-16 units. */
const characters = text => [...text].length;

function updateSpeak() {
  const count = characters($("text").value), most = Number($("text").dataset.most), over = count - most;
  $("count").textContent = `${count} of ${most}`;
  $("over").textContent = over > 0 ? `${over} too many: shorten it, or send it in parts` : "";
  $("count").parentElement.classList.toggle("above", over > 0);
  $("text").setAttribute("aria-invalid", over > 0);
  $("speak").disabled = running !== null || over > 0 || chosen === null || $("text").value.trim() === "";
}

function updateSpeed() {
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

// ---- Takes -------------------------------------------------------------------------------------------------------------------------

let takes = [], shown = null;

async function newTake(request, answer, id, taken) {
  const bytes = Uint8Array.from(atob(answer.audio), sign => sign.charCodeAt(0));
  const raw = answer.format === "pcm";
  const file = new Blob([bytes], {type: TYPES[answer.format]});
  // Bare samples have no player: a copy gets a head, and the download stays as it was asked for.
  const playable = raw ? wavOf(new Int16Array(bytes.buffer), answer.sample_rate) : file;
  const url = URL.createObjectURL(playable);
  const download = raw ? URL.createObjectURL(file) : url;
  return {request, answer, id, taken, url, download, samples: await samplesOf(await playable.arrayBuffer(), 16000)};
}

function keep(take) {
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
    again.addEventListener("click", () => putBack(take));
    return make("li", {}, button, again);
  }));
}

/** Everything as it was for a take, its seed too. */
function putBack({request, answer}) {
  $("text").value = request.text;
  $("seed").value = answer.seed;
  $("format").value = request.format;
  $("speed").value = Math.log2(request.speed);
  document.querySelector(`[name=language][value="${request.language ?? ""}"]`).checked = true;
  const voice = [...$("voices").querySelectorAll("input")].find(input => input.value === request.speaker_id);
  if (voice) { voice.checked = true; chosen = voice.value; voice.scrollIntoView({block: "nearest"}); }
  updateSpeed();
  updateSpeak();
  $("text").focus();
}

function show(take, play) {
  shown = take;
  const {request, answer} = take, audio = $("audio");
  tell("play-error");
  $("result").hidden = false;
  $("result-title").replaceChildren(request.speaker_id, " ", make("small", {textContent: `${timesText(request.speed)} · ${answer.format}`}));
  $("seconds").textContent = `${answer.seconds.toFixed(2)} s`;
  $("taken").textContent = `${take.taken.toFixed(2)} s`;
  $("seed-used").textContent = answer.seed;
  $("request-id").textContent = take.id ?? "–";
  $("download").href = take.download;
  $("download").download = `${request.speaker_id.replace(/[^\p{L}\p{N}_.-]+/gu, "_")}_${answer.seed}.${answer.format}`;
  $("words").replaceChildren(...answer.words.map(word => {
    const button = make("button", {type: "button", title: `${word.start.toFixed(2)}–${word.end.toFixed(2)} s`}, word.text, make("small", {textContent: word.start.toFixed(2)}));
    button.addEventListener("click", () => { audio.currentTime = word.start; start(); });
    return button;
  }));
  $("seek").setAttribute("aria-valuemax", answer.seconds.toFixed(2));
  audio.src = take.url;
  listTakes();
  follow();
  if (play) start();
}
$("keep-seed").addEventListener("click", () => {
  $("seed").value = shown.answer.seed;
  $("seed").setAttribute("aria-invalid", false);
  $("status").textContent = `The seed ${shown.answer.seed} is kept.`;
});

// ---- The player --------------------------------------------------------------------------------------------------------------------

/** Plays; a browser that wants a click first, or another take in between, is no error. */
function start() {
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

// ---- Samples -----------------------------------------------------------------------------------------------------------------------

/** One channel, the mean of all, at a rate in Hz; empty where the browser cannot read it. */
async function samplesOf(buffer, rate) {
  let decoded;
  try {
    decoded = await new OfflineAudioContext(1, 1, rate).decodeAudioData(buffer);
  } catch (error) {
    if (error.name === "EncodingError") return new Float32Array(0);
    throw error;
  }
  const mean = new Float32Array(decoded.length);
  for (let channel = 0; channel < decoded.numberOfChannels; channel++) {
    decoded.getChannelData(channel).forEach((value, at) => { mean[at] += value / decoded.numberOfChannels; });
  }
  return mean;
}

const pcm16 = samples => Int16Array.from(samples, value => Math.round(Math.max(-1, Math.min(1, value)) * 32767));

/** A WAV file, mono, of 16-bit samples. */
function wavOf(samples, rate) {
  const head = new DataView(new ArrayBuffer(44)), bytes = 2 * samples.length;
  const word = (at, text) => [...text].forEach((sign, place) => head.setUint8(at + place, sign.charCodeAt(0)));
  word(0, "RIFF");
  head.setUint32(4, 36 + bytes, true);
  word(8, "WAVEfmt ");
  [[16, 16, 4], [20, 1, 2], [22, 1, 2], [24, rate, 4], [28, 2 * rate, 4], [32, 2, 2], [34, 16, 2]].forEach(([at, value, size]) => {
    if (size === 4) head.setUint32(at, value, true); else head.setUint16(at, value, true);
  });
  word(36, "data");
  head.setUint32(40, bytes, true);
  return new Blob([head, samples], {type: "audio/wav"});
}

// ---- Enrolment ---------------------------------------------------------------------------------------------------------------------

let clips = [], enrolling = null, recorder = null, recorded = 0;
const listener = new Audio();

/** Takes a recording in; one that the service cannot read becomes a WAV file here, if the browser can read it. */
async function addClip(name, blob) {
  tell("enrol-error");
  let note = "";
  if (!READABLE.test(name)) {
    const rate = 48000, samples = await samplesOf(await blob.arrayBuffer(), rate);
    if (samples.length === 0) return tell("enrol-error", `${name} cannot be read; choose a wav, flac, mp3, ogg or opus file.`);
    blob = wavOf(pcm16(samples), rate);
    name = name.replace(/\.[^.]*$/, "") + ".wav";
    note = `${(samples.length / rate).toFixed(1)} s`;
  }
  if (clips.length >= MOST_CLIPS) return tell("enrol-error", `At most ${MOST_CLIPS} recordings can be sent; ${name} was left out.`);
  clips.push({name, blob, note: note || `${Math.max(1, Math.round(blob.size / 1024)).toLocaleString("en")} kB`});
  listClips();
}

function listClips() {
  $("clips").replaceChildren(...clips.map((clip, at) => {
    const listen = make("button", {type: "button", className: "link", textContent: "listen"});
    listen.setAttribute("aria-label", `Listen to ${clip.name}`);
    listen.addEventListener("click", () => {
      URL.revokeObjectURL(listener.src);
      listener.src = URL.createObjectURL(clip.blob);
      listener.play().catch(() => tell("enrol-error", `This browser cannot play ${clip.name}; it can be sent all the same.`));
    });
    const remove = make("button", {type: "button", className: "link", textContent: "remove"});
    remove.setAttribute("aria-label", `Remove ${clip.name}`);
    remove.addEventListener("click", () => { listener.pause(); clips.splice(at, 1); listClips(); $("files").focus(); });
    return make("li", {}, make("span", {textContent: clip.name}), make("small", {textContent: clip.note}), listen, remove);
  }));
}

$("files").addEventListener("change", async () => {
  const files = [...$("files").files];
  $("files").value = "";
  for (const file of files) await addClip(file.name, file);
});

$("record").hidden = !("MediaRecorder" in window && navigator.mediaDevices?.getUserMedia);
$("record").addEventListener("click", () => { if (recorder) recorder.stop(); else record(); });

async function record() {
  tell("enrol-error");
  $("record").disabled = true;
  let stream;
  try {
    // What makes a call clear changes the voice.
    stream = await navigator.mediaDevices.getUserMedia({audio: {echoCancellation: false, noiseSuppression: false}});
  } catch (error) {
    return tell("enrol-error", `The microphone cannot be used: ${error.message}`);
  } finally {
    $("record").disabled = false;
  }
  const parts = [], began = performance.now();
  recorder = new MediaRecorder(stream);
  recorder.addEventListener("dataavailable", event => parts.push(event.data));
  const clock = setInterval(() => {
    const seconds = (performance.now() - began) / 1000;
    $("record").textContent = `Stop ${seconds.toFixed(0)} s`;
    if (seconds >= LONGEST_RECORDING) recorder.stop();
  }, 200);
  recorder.addEventListener("stop", async () => {
    clearInterval(clock);
    for (const track of stream.getTracks()) track.stop();
    const type = recorder.mimeType;
    recorder = null;
    $("record").textContent = "Record";
    $("record").classList.remove("recording");
    tell("record-note");
    recorded += 1;
    await addClip(`recording ${recorded}`, new Blob(parts, {type}));
  });
  recorder.start();
  $("record").classList.add("recording");
  $("record").textContent = "Stop 0 s";
  tell("record-note", "Recording: read a few sentences aloud, as you usually speak, in a quiet room.");
}

/** The first field that is not filled in, with what it needs; null where all are. */
function missing() {
  if (recorder) return ["record", "A recording still runs; stop it first."];
  if ($("name").value.trim() === "") return ["name", "The voice needs a name."];
  if (clips.length === 0) return ["files", "Choose at least one file, or record one."];
  if ($("consent").value.trim() === "") return ["consent", "Write who agreed to this voice, when, and to what use; without consent nobody is enrolled."];
  return null;
}

/** Sends the form; XMLHttpRequest, for fetch does not tell how much of a body is sent. */
function sendForm(form, progress) {
  return new Promise((resolve, reject) => {
    const request = enrolling = new XMLHttpRequest();
    request.upload.addEventListener("progress", event => progress(event.loaded / event.total));
    request.addEventListener("load", () => {
      if (request.status >= 200 && request.status < 300) resolve(JSON.parse(request.responseText));
      else reject(new Refusal(request.status, request.responseText));
    });
    request.addEventListener("error", () => reject(new Unreachable()));
    request.addEventListener("abort", () => reject(new Cancelled()));
    request.open("POST", "v1/speakers");
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.send(form);
  });
}

function setEnrolling(on) {
  const held = document.activeElement === $("enrol-send") || document.activeElement === $("enrol-cancel");
  $("enrol-send").disabled = on;
  $("enrol-cancel").hidden = $("enrol-progress").hidden = !on;
  if (held) $(on ? "enrol-cancel" : "enrol-send").focus();
  if (!on) enrolling = null;
}

function showProgress(share) {
  const sent = share >= 1;
  if (sent) $("enrol-progress").removeAttribute("value"); else $("enrol-progress").value = share;
  const told = sent ? "Sent; the service listens to the recordings …" : "Sending …";
  if ($("enrol-status").textContent !== told) $("enrol-status").replaceChildren(make("p", {textContent: told}));
}

async function enrol() {
  if (enrolling) return;
  const wrong = missing();
  for (const id of ["name", "consent"]) $(id).setAttribute("aria-invalid", wrong?.[0] === id);
  $("enrol-status").replaceChildren();
  tell("enrol-error", wrong?.[1]);
  if (wrong) return $(wrong[0]).focus();
  const form = new FormData();
  // As the service writes names, so that the new voice is found by it.
  form.append("speaker_id", $("name").value.trim().normalize("NFC"));
  form.append("consent", $("consent").value.trim());
  for (const clip of clips) form.append("clips", clip.blob, clip.name);
  setEnrolling(true);
  showProgress(0);
  try {
    const voice = await sendForm(form, showProgress);
    await enrolled(voice);
  } catch (error) {
    $("enrol-status").replaceChildren();
    if (error instanceof Cancelled) {
      $("enrol-status").append(make("p", {textContent: "Cancelled. If all was sent already, the voice may still appear above."}));
      loadVoices();
    } else if (keyIsWanted(error, enrol)) {
      $("enrol-status").append(make("p", {textContent: "This needs a key: see above."}));
    } else {
      tell("enrol-error", error.message);
      $("name").setAttribute("aria-invalid", error.status === 409);
    }
  } finally {
    setEnrolling(false);
  }
}

/** Says what became of it, and chooses the new voice. */
async function enrolled(voice) {
  const from = voice.clips === 1 ? "one recording" : `${voice.clips} recordings`;
  const told = `“${voice.id}” is a voice now, from ${voice.seconds.toFixed(1)} s of speech in ${from}.`;
  const notes = (voice.notes ?? []).map(note => make("li", {textContent: note}));
  $("enrol-status").replaceChildren(make("p", {className: "done", textContent: told}));
  if (notes.length) $("enrol-status").append(make("p", {textContent: "Left out:"}), make("ul", {}, ...notes));
  $("enrol-form").reset();
  clips = [];
  listClips();
  chosen = voice.id;
  $("search").value = "";
  await loadVoices();
  $("voices").querySelector(":checked")?.scrollIntoView({block: "nearest"});
}
$("enrol-form").addEventListener("submit", event => { event.preventDefault(); enrol(); });
$("enrol-cancel").addEventListener("click", () => enrolling?.abort());

updateSpeed();
updateSpeak();
loadVoices();
