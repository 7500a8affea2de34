// One's own work: timers that run in every header, and forms that need no new page.
import {show} from "./cards.js";
import {say, strings} from "./page.js";

/** Let every timer run that the server says runs. Only how long this page is here counts, whatever its clock shows. */
export function runTimers() {
  const arrived = performance.timeOrigin + (performance.getEntriesByType("navigation")[0]?.responseStart ?? 0);
  tick(arrived);
  setInterval(() => tick(Date.now()), 1000);
}

function tick(seen) {
  for (const each of document.querySelectorAll("data.clock[data-runs]")) {
    each.dataset.seen ??= seen;
    const seconds = Number(each.value) + (Date.now() - Number(each.dataset.seen)) / 1000;
    const text = clock(Math.max(0, Math.floor(seconds)));
    if (each.textContent !== text) each.textContent = text;
  }
}

function clock(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** Send the forms of the page, and put what the server answers in the place of what it was. */
export function handleWork() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!new URL(form.action, location.href).pathname.startsWith("/work/") || form.method !== "post") return;
    event.preventDefault();
    send(form);
  });
}

async function send(form) {
  if (form.dataset.sent) return;
  form.dataset.sent = "true";
  try {
    const answer = await fetch(form.action, {
      method: "POST", body: new URLSearchParams(new FormData(form)), headers: {Accept: "text/html"},
    });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!answer.redirected || new URL(answer.url).pathname !== "/work") return document.location.reload();
    history.replaceState(null, "", answer.url);
    form.reset();
    show(fresh);
    told(fresh);
  } catch {
    say(strings.not_sent);
  } finally {
    delete form.dataset.sent;
  }
}

/** Tell what came of it: why it was refused, else how the work stands. */
function told(fresh) {
  document.getElementById("refused")?.remove();
  const refused = fresh.getElementById("refused");
  if (refused !== null) {
    const notice = document.importNode(refused, true);
    document.querySelector(".heading").after(notice);
    return;
  }
  const done = document.querySelector("#done:not([hidden])");
  if (done !== null) return done.focus();
  const task = document.querySelector(".task h3");
  say(task === null ? "" : task.textContent);
}
