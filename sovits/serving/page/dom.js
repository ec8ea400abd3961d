// What every part of the page uses to read and write it; what others wrote is written as text, never as markup.
export const $ = id => document.getElementById(id);

/** An element with properties and children; strings become text. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Shows a message, or hides its place where there is none. */
export function tell(id, message = "") {
  $(id).textContent = message;
  $(id).hidden = message === "";
}
