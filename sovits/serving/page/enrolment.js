// A new voice: its recordings, made here or chosen, its consent, and the sending of it.
import {Cancelled, Refusal, Unreachable, authorization, keyIsWanted} from "./asking.js";
import {$, make, tell} from "./dom.js";
import {pcm16, samplesOf, wavOf} from "./samples.js";
import {choose, loadVoices, needs} from "./voices.js";

const LONGEST_RECORDING = 55;
const READABLE = /\.(wav|flac|mp3|ogg|opus)$/i;

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
  const most = needs?.clips ?? Infinity;
  if (clips.length >= most) return tell("enrol-error", `At most ${most} recordings can be sent; ${name} was left out.`);
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
    if (seconds >= Math.min(LONGEST_RECORDING, needs?.clip_seconds ?? LONGEST_RECORDING)) recorder.stop();
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
  choose(voice.id);
  $("search").value = "";
  await loadVoices();
  $("voices").querySelector(":checked")?.scrollIntoView({block: "nearest"});
}
$("enrol-form").addEventListener("submit", event => { event.preventDefault(); enrol(); });
$("enrol-cancel").addEventListener("click", () => enrolling?.abort());

/** What the service wants, in its own figures. */
function tellNeeds() {
  $("enrol").hidden = needs === null;
  if (needs === null) return;
  const {clips: most, clip_seconds: longest, seconds} = needs;
  $("clips-needed").textContent = `At least ${seconds} s of clear speech in all; more is better. Up to ${most} recordings, none longer than ${longest} s.`;
}
$("voices").addEventListener("choice", tellNeeds);
