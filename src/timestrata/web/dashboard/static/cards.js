// Cards: swapped one by one for what the server has now, with focus, scroll and opened tables kept.
import {draw} from "./charts.js";
import {leave, say, strings} from "./page.js";
import {watchTables} from "./tables.js";

let asked = 0;

/** "Try again" loads its card alone. */
export function handleCards() {
  document.addEventListener("click", (event) => {
    const again = event.target.closest(".again");
    if (again === null) return;
    event.preventDefault();
    reload(again.closest("[data-card]"));
  });
}

/** Ask for one card again. */
export async function reload(card) {
  card.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(card.dataset.url);
    if (answer.status === 401 || answer.redirected) return leave();
    if (!answer.ok) throw new Error(`${answer.status}`);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-card]");
    swap(card, fresh);
    draw(document);
  } catch {
    card.removeAttribute("aria-busy");
    say(strings.failed);
  }
}

/** Fetch this page again and swap what differs. Returns whether it came. */
export async function refresh() {
  const mine = ++asked;
  const cards = [...document.querySelectorAll("[data-card]")];
  for (const card of cards) card.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(location.href, {headers: {Accept: "text/html"}});
    if (answer.redirected && new URL(answer.url).pathname === "/login") return leave();
    if (!answer.ok) return false;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (mine !== asked) return true;
    show(fresh);
    return true;
  } catch {
    return false;
  } finally {
    for (const card of document.querySelectorAll("[data-card][aria-busy]")) card.removeAttribute("aria-busy");
  }
}

/** Show the cards of another rendering of this page. */
export function show(fresh) {
  for (const card of document.querySelectorAll("[data-card]")) {
    const other = fresh.getElementById(card.id);
    if (other !== null) swap(card, other);
  }
  for (const place of ["nav[aria-label] ul", "#timer"]) swapPart(document.querySelector(place), fresh.querySelector(place));
  draw(document);
}

function swapPart(mine, other) {
  if (mine !== null && other !== null && mine.innerHTML !== other.innerHTML && !mine.contains(document.activeElement)) {
    mine.replaceWith(document.importNode(other, true));
  }
}

/** Put a card in the place of another. Its picture is drawn anew behind the old one. */
function swap(card, other) {
  card.removeAttribute("aria-busy");
  const fresh = document.importNode(other, true);
  const [before, after] = [plain(card), plain(fresh)];
  if (before === after) {
    for (const plot of card.querySelectorAll("[data-chart]")) delete plot.dataset.shown;
    return;
  }
  const focus = place(card, document.activeElement);
  const typed = fields(card).map(typedInto);
  const opened = new Set([...card.querySelectorAll("details")].flatMap((each, number) => (each.open ? [nameOf(each, number)] : [])));
  const [oldPlot, newPlot] = [card.querySelector("[data-chart]"), fresh.querySelector("[data-chart]")];
  if (oldPlot !== null && newPlot !== null) {
    newPlot.replaceWith(oldPlot); // the picture stays until the next one is drawn
    oldPlot.dataset.chart = newPlot.dataset.chart;
    oldPlot.setAttribute("aria-label", newPlot.getAttribute("aria-label"));
    delete oldPlot.dataset.shown;
  }
  const tables = [...card.querySelectorAll(".scroll")].map((each) => [each.scrollLeft, each.scrollTop]);
  card.replaceWith(fresh);
  fresh.querySelectorAll("details").forEach((each, number) => { each.open = opened.has(nameOf(each, number)); });
  fresh.querySelectorAll(".scroll").forEach((each, number) => { [each.scrollLeft, each.scrollTop] = tables[number] ?? [0, 0]; });
  watchTables(fresh);
  fields(fresh).forEach((field, number) => typeAgain(field, typed[number]));
  refocus(fresh, focus);
}

/** What a part that can be opened is known by: its name, else its place. A question goes when what it is about goes. */
function nameOf(details, number) {
  return details.dataset.name ?? number;
}

function fields(card) {
  return [...card.querySelectorAll("input:not([type=hidden]), select")];
}

/** What somebody put into a field and has not sent. */
function typedInto(field) {
  const isNew = field.type === "checkbox" ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
  return isNew ? {name: field.name, value: field.value, checked: field.checked} : null;
}

function typeAgain(field, typed) {
  if (typed?.name !== field.name) return;
  if (field.type === "checkbox") field.checked = typed.checked;
  else field.value = typed.value;
}

/** The card as the server made it: without what was drawn or opened here. */
function plain(card) {
  const copy = card.cloneNode(true);
  copy.removeAttribute("aria-busy");
  for (const plot of copy.querySelectorAll("[data-chart]")) {
    plot.replaceChildren();
    delete plot.dataset.shown;
    delete plot.dataset.drawn;
  }
  for (const each of copy.querySelectorAll("details")) each.open = false;
  for (const each of copy.querySelectorAll(".scroll")) delete each.dataset.more;
  return copy.outerHTML;
}

const FOCUSABLE = "a[href], button, input, select, summary, [tabindex]";

function place(card, element) {
  return card.contains(element) ? [...card.querySelectorAll(FOCUSABLE)].indexOf(element) : -1;
}

function refocus(card, number) {
  if (number < 0) return;
  const all = card.querySelectorAll(FOCUSABLE);
  (all[Math.min(number, all.length - 1)] ?? card).focus({preventScroll: true});
}
