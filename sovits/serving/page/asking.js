// Asking the service that sent the page, and no other; the key, where it wants one.
import {$} from "./dom.js";

const KEY = "sovits-key";

export class Refusal extends Error {
  constructor(status, body) {
    let problem = null;
    try { problem = JSON.parse(body).error; } catch (error) { if (!(error instanceof SyntaxError)) throw error; }
    super(typeof problem?.message === "string" ? problem.message : `The service answered ${status} and did not say why.`);
    this.status = status;
    this.code = problem?.code;
  }
}
export class Unreachable extends Error {
  constructor() { super("The service does not answer; see whether it still runs, then try again."); }
}
export class Cancelled extends Error {}

export const authorization = () => {
  const key = sessionStorage.getItem(KEY);
  return key === null ? {} : {Authorization: `Bearer ${key}`};
};

/** An answer of the service, read by `read`; throws a Refusal with its own words. */
export async function ask(path, {headers = {}, ...options} = {}, read = answer => answer.json()) {
  try {
    const answer = await fetch(path, {...options, headers: {...headers, ...authorization()}, cache: "no-store"});
    if (!answer.ok) throw new Refusal(answer.status, await answer.text());
    return {headers: answer.headers, body: await read(answer)};
  } catch (error) {
    if (error.name === "AbortError") throw new Cancelled();
    throw error instanceof TypeError ? new Unreachable() : error;
  }
}

let afterKey = null, whenGiven = null;
/** `listener` is told of every new key, and of what runs with it. */
export const onKey = listener => { whenGiven = listener; };

/** Whether an error was the wish for a key; then the form for it is shown, and `again` runs once there is one. */
export function keyIsWanted(error, again) {
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
  whenGiven?.(again);
  again?.();
});
