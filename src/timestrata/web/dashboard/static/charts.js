// Charts: a specification from the server, drawn by Vega. Its expressions are interpreted, because the policy of the
// pages allows no code that is made from text.
import {language, say, strings, theme, vega} from "./page.js";

let library;

const finished = new WeakMap(); // plot -> the view that is shown, to be ended before the next one

/** Draw every chart in a part of the page whose picture is not the one that is asked for. */
export async function draw(part) {
  const plots = [...part.querySelectorAll("[data-chart]")].filter(isOutdated);
  if (plots.length === 0) return;
  library ??= import(vega);
  await Promise.all(plots.map(drawOne));
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
    const [{default: embed}, answer] = await Promise.all([library, fetch(url)]);
    if (!answer.ok) throw new Error(`${answer.status}`);
    const specification = await answer.json();
    if (plot.dataset.shown !== url) return; // another theme was chosen meanwhile
    const room = document.createElement("div"); // the old picture stays until the new one is there
    room.className = "room";
    room.setAttribute("aria-hidden", "true"); // the label of the plot stands for it, and the table has its figures
    plot.append(room);
    const view = await embed(room, specification, {
      renderer: "svg", ast: true, actions: false, defaultStyle: false, tooltip: {disableDefaultStyle: true},
      formatLocale: numbers(), timeFormatLocale: dates(),
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

/** How the reader's language writes numbers, as d3-format takes it. */
function numbers() {
  const parts = new Intl.NumberFormat(language).formatToParts(-12345.6);
  const of = (type, otherwise) => parts.find((part) => part.type === type)?.value ?? otherwise;
  return {decimal: of("decimal", "."), thousands: of("group", ""), grouping: [3], currency: ["", ""]};
}

/** How it names days and months, as d3-time-format takes it. */
function dates() {
  const day = (number, weekday) => new Date(Date.UTC(2024, 0, 7 + number)).toLocaleDateString(language, {weekday, timeZone: "UTC"});
  const month = (number, form) => new Date(Date.UTC(2024, number, 1)).toLocaleDateString(language, {month: form, timeZone: "UTC"});
  const seven = [...Array(7).keys()], twelve = [...Array(12).keys()];
  return {
    dateTime: "%x, %X", date: "%-d %b %Y", time: "%H:%M", periods: ["AM", "PM"],
    days: seven.map((each) => day(each, "long")), shortDays: seven.map((each) => day(each, "short")),
    months: twelve.map((each) => month(each, "long")), shortMonths: twelve.map((each) => month(each, "short")),
  };
}
