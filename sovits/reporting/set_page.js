"use strict";
// A click on a column's heading sorts its table by it; another click turns the order round.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, column = head.cellIndex, body = head.closest("table").tBodies[0];
    const descending = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const rows = [...body.rows].map(row => [row.cells[column].dataset.value ?? row.cells[column].textContent, row]);
    const numeric = rows.every(([key]) => key !== "" && !isNaN(key));
    rows.sort(([a], [b]) => (numeric ? a - b : a.localeCompare(b, undefined, {numeric: true})) * (descending ? -1 : 1));
    body.append(...rows.map(([, row]) => row));
  });
}

// What is typed hides the speakers and clips that do not hold it, and unfolds those that do.
const input = document.querySelector(".filter input");
input?.addEventListener("input", () => {
  const wanted = input.value.trim().toLowerCase();
  for (const item of document.querySelectorAll("tr.row, .clip")) {
    const speaker = item.closest("[data-speaker]")?.dataset.speaker ?? "";
    item.hidden = !(speaker + " " + item.textContent).toLowerCase().includes(wanted);
  }
  for (const section of document.querySelectorAll("details.speaker")) {
    const found = section.querySelector(".clip:not([hidden])") !== null;
    section.hidden = wanted !== "" && !found;
    if (wanted !== "" && found) section.open = true;
  }
});

// One clip plays at a time; a line in its picture shows where, and a click on the picture or a word plays from there.
document.addEventListener("play", event => {
  for (const audio of document.querySelectorAll("audio")) if (audio !== event.target) audio.pause();
}, true);
document.addEventListener("timeupdate", event => {
  const clip = event.target.closest(".clip"), picture = clip?.querySelector(".picture");
  if (!picture) return;
  let cursor = picture.querySelector(".cursor");
  if (!cursor) {
    cursor = document.createElement("i");
    cursor.className = "cursor";
    picture.append(cursor);
  }
  cursor.style.left = 100 * event.target.currentTime / event.target.duration + "%";
}, true);
document.addEventListener("click", event => {
  const clip = event.target.closest(".clip"), mel = event.target.closest(".mel");
  if (!clip || !mel) return;
  const audio = clip.querySelector("audio"), word = event.target.dataset.start, box = mel.getBoundingClientRect();
  const seconds = word ?? (event.clientX - box.left) / box.width * mel.style.getPropertyValue("--s");
  audio.currentTime = seconds;
  audio.play();
});
