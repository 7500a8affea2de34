// What the server tells the scripts of a page.
const script = document.getElementById("app");

export const strings = JSON.parse(script.dataset.strings);
export const language = script.dataset.language;
export const csrf = script.dataset.csrf;
export const vega = script.dataset.vega;
export const events = script.dataset.events;
export const revision = script.dataset.revision;

/** Say something to who cannot see it. */
export function say(text) {
  document.getElementById("status").textContent = text;
}

let left = false;

/** The session ended: to the login, which says so and leads back. Once, whoever of this page finds out. */
export function leave() {
  if (left) return;
  left = true;
  location.replace(`/login?ended=1&to=${encodeURIComponent(location.pathname + location.search)}`);
}

/** The theme that is shown: the one that was chosen, else that of the machine. */
export function theme() {
  const chosen = document.documentElement.dataset.theme;
  if (chosen !== "system") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}
