// Single keys of the page of one's work. They can be switched off, because who speaks to a machine types them unasked.
const PLACE = "timestrata_keys";

export function handleKeys() {
  const choice = document.getElementById("keys-on");
  if (choice === null) return;
  const dialog = document.getElementById("keys-dialog");
  choice.closest("[data-with-script]").hidden = false;
  choice.checked = localStorage.getItem(PLACE) !== "off";
  choice.addEventListener("change", () => localStorage.setItem(PLACE, choice.checked ? "on" : "off"));
  document.addEventListener("keydown", (event) => {
    if (!choice.checked || dialog.open || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.matches("input:not([type=checkbox]), select, textarea, [contenteditable]")) return;
    if (press(event.key, dialog)) event.preventDefault();
  });
}

function press(key, dialog) {
  if (key === "?") {
    dialog.showModal();
    return true;
  }
  if (key === "s") {
    document.getElementById("ticket-key")?.focus();
    return true;
  }
  const button = ["p", "n", "c"].includes(key) ? document.querySelector(`#running [data-key="${key}"]`) : null;
  if (button?.matches("summary")) ask(button);
  else button?.click();
  return button !== null;
}

/** Show the question, and stand on its answer; the same key again is no answer. */
function ask(summary) {
  summary.parentElement.open = true;
  summary.parentElement.querySelector("form button").focus();
}
