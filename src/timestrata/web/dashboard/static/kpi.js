// What opens over a key figure closes by Escape, until the pointer or the focus comes anew.

/** Listen for Escape on the key figures. */
export function closeByEscape() {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const card of document.querySelectorAll(".kpi:hover, .kpi:focus-within")) card.dataset.closed = "true";
  });
  for (const leave of ["mouseout", "focusout"]) {
    document.addEventListener(leave, (event) => {
      const card = event.target.closest?.(".kpi");
      if (card && !card.contains(event.relatedTarget)) delete card.dataset.closed;
    });
  }
}
