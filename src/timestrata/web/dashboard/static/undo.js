// Gap alerts: dismissed and restored at once, and taken back for as long as the bar stands.
import {refresh} from "./cards.js";
import {csrf, say, strings} from "./page.js";

const BAR_MILLISECONDS = 8000;

let bar = null;
let timer = null;

export function handleGaps() {
  document.addEventListener("submit", (event) => {
    const row = event.target.closest("li.gap");
    if (row === null) return;
    event.preventDefault();
    mark(row, event.target.action);
  });
  document.addEventListener("keydown", (event) => {
    if (bar === null) return;
    if (event.key === "Escape") close();
    if (event.key === "z" && (event.ctrlKey || event.metaKey) && !event.target.matches("input, textarea, select")) {
      event.preventDefault();
      bar.querySelector("button").click();
    }
  });
}

/** Take a row away, then tell the server; a row that it refuses to part with comes back. */
async function mark(row, action) {
  const list = row.parentElement, ticket = row.querySelector("strong").textContent;
  const words = (name) => strings[`gap_${name}`].replace("{ticket}", () => ticket);
  const before = row.nextElementSibling;
  focusBeside(row);
  row.remove();
  try {
    await post(action);
  } catch {
    await comeBack(row, list, before);
    say(words("failed"));
    return;
  }
  const done = action.endsWith("/restore") ? "restored" : "dismissed";
  const opposite = action.replace(/[a-z]+$/, done === "restored" ? "dismiss" : "restore");
  say(`${words(done)} ${strings.undo_hint}`);
  show(words(done), async () => {
    close();
    try {
      await post(opposite);
      await comeBack(row, list, before);
      say(words(done === "restored" ? "dismissed" : "restored"));
    } catch {
      say(words("failed"));
    }
  });
}

async function post(action) {
  const answer = await fetch(action, {method: "POST", headers: {"X-CSRF-Token": csrf, Accept: "application/json"}});
  if (!answer.ok) throw new Error(`${answer.status}`);
}

/** Focus what stands in the row's place: the next one, the one before, or the card. */
function focusBeside(row) {
  const next = row.nextElementSibling ?? row.previousElementSibling;
  (next?.querySelector("button") ?? row.closest("[data-card]"))?.focus({preventScroll: next !== null});
}

/** Put a row back where it stood; the list may have been swapped meanwhile. */
async function comeBack(row, list, before) {
  if (list.isConnected) list.insertBefore(row, before?.parentElement === list ? before : null);
  else await refresh();
  document.querySelector(`li.gap[data-alert="${CSS.escape(row.dataset.alert)}"] button`)?.focus();
}

function show(text, undo) {
  close();
  bar = document.createElement("div");
  bar.id = "undo";
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", strings.undo_label);
  const words = document.createElement("span"), button = document.createElement("button");
  words.textContent = text;
  button.type = "button";
  button.textContent = strings.undo;
  button.addEventListener("click", undo);
  bar.append(words, button);
  // Who is about to press it is given the time.
  for (const name of ["focusin", "pointerenter"]) bar.addEventListener(name, () => clearTimeout(timer));
  for (const name of ["focusout", "pointerleave"]) bar.addEventListener(name, wait);
  document.getElementById("main").append(bar);
  wait();
}

function wait() {
  clearTimeout(timer);
  timer = setTimeout(close, BAR_MILLISECONDS);
}

function close() {
  clearTimeout(timer);
  if (bar === null) return;
  const focused = bar.contains(document.activeElement);
  bar.remove();
  bar = null;
  if (focused) (document.querySelector("li.gap button") ?? document.getElementById("main")).focus();
}
