// Charts: a specification from the server, drawn by Vega. Its expressions are interpreted, because the policy of the
// pages allows no code that is made from text.
import {leave, say, strings, theme, vega} from "./page.js";
import {shaped} from "./shapes.js";

let library;

const finished = new WeakMap(); // plot -> the view that is shown, to be ended before the next one

/** Draw every chart in a part of the page whose picture is not the one that is asked for. */
export async function draw(part) {
  const plots = [...part.querySelectorAll("[data-chart]")].filter(isOutdated);
  await Promise.all(plots.map(drawOne));
}

/** Load the library while the page is painted and not before: it holds the browser up for 40 ms, each chart for as long. */
async function load() {
  await new Promise(requestAnimationFrame);
  return import(vega);
}

function address(plot) {
  const url = new URL(plot.dataset.chart, location.href);
  url.searchParams.set("theme", theme());
  return url.href;
}

function isOutdated(plot) {
  return plot.dataset.shown !== address(plot);
}

async function drawOne(plot) {
  const url = address(plot);
  plot.dataset.shown = url;
  try {
    const asked = fetch(url);
    library ??= load();
    const [{default: embed}, answer] = await Promise.all([library, asked]);
    if (answer.redirected) return leave();
    if (!answer.ok) throw new Error(`${answer.status}`);
    const specification = await answer.json();
    if (plot.dataset.shown !== url) return; // another theme was chosen meanwhile
    const room = document.createElement("div"); // the old picture stays until the new one is there
    room.className = "room";
    room.setAttribute("aria-hidden", "true"); // the label of the plot stands for it, and the table has its figures
    plot.append(room);
    const [known, options] = shaped(specification);
    const view = await embed(room, known, {
      ...options, renderer: "svg", ast: true, actions: false, defaultStyle: false, tooltip: {disableDefaultStyle: true},
    });
    finished.get(plot)?.finalize();
    finished.set(plot, view);
    for (const old of [...plot.children]) if (old !== room) old.remove();
    plot.dataset.drawn = "true";
  } catch (error) {
    delete plot.dataset.shown;
    console.warn("chart", url, error.message);
    if (!plot.dataset.drawn) {
      plot.textContent = strings.chart_failed;
      plot.parentElement.querySelector("details")?.setAttribute("open", "");
    }
    say(strings.chart_failed);
  }
}
