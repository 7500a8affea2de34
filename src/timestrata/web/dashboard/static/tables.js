// Tables that are wider than their card: the edge that hides something of one fades.
const sizes = new ResizeObserver((entries) => { for (const entry of entries) mark(entry.target); });

/** Keep the edges of all tables, now and while they are moved; phones show no bar that would tell of more. */
export function handleTables() {
  document.addEventListener("scroll", (event) => { if (event.target.matches?.(".scroll")) mark(event.target); }, {capture: true, passive: true});
  watchTables(document);
}

/** Keep the edges of the tables in a part that is new on the page. */
export function watchTables(part) {
  for (const each of part.querySelectorAll(".scroll")) sizes.observe(each);
}

function mark(each) {
  const [left, right] = [each.scrollLeft > 1, each.scrollLeft + each.clientWidth < each.scrollWidth - 1];
  if (left || right) each.dataset.more = left && right ? "both" : left ? "left" : "right";
  else delete each.dataset.more;
}
