// Live: the server says that something changed, the page asks what. Hidden pages wait; without events it asks by itself.
import {events, language, revision, strings} from "./page.js";
import {refresh} from "./cards.js";

const APART_MILLISECONDS = 1000;
const FALLBACK_MILLISECONDS = 60_000;

let seen = revision;
let waiting = null;
let asked = -APART_MILLISECONDS;
let stream = null;
let lastFigures = new Date();

export function listen() {
  const mark = document.getElementById("live");
  mark.hidden = false;
  show("connecting", strings.connecting);
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : begin()));
  setInterval(() => { if (!document.hidden && stream?.readyState !== EventSource.OPEN) soon(); }, FALLBACK_MILLISECONDS);
  begin();
}

function begin() {
  if (document.hidden || stream !== null) return;
  stream = new EventSource(events);
  stream.addEventListener("open", () => show("live", strings.live));
  stream.addEventListener("error", () => {
    show("reconnecting", strings.reconnecting.replace("{time}", clock(lastFigures)));
    if (stream.readyState === EventSource.CLOSED) { // refused: the server starts, or the session ended
      stream = null;
      setTimeout(begin, 3000);
      soon();
    }
  });
  stream.addEventListener("revision", (event) => {
    if (event.lastEventId === seen) return;
    seen = event.lastEventId;
    soon();
  });
}

function stop() {
  stream?.close();
  stream = null;
  show("paused", strings.paused);
}

/** Ask at once, but not more often than once a second: then once for all that changed until then. */
function soon() {
  if (waiting !== null) return;
  waiting = setTimeout(async () => {
    waiting = null;
    asked = performance.now();
    if (await refresh()) lastFigures = new Date();
  }, Math.max(0, asked + APART_MILLISECONDS - performance.now()));
}

function show(state, text) {
  const mark = document.getElementById("live");
  mark.dataset.state = state;
  mark.textContent = text;
}

function clock(moment) {
  return moment.toLocaleTimeString(language, {hour: "2-digit", minute: "2-digit"});
}
