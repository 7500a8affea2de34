// Charts: a specification from the server, drawn by Vega. Its expressions are interpreted, because the policy of the
// pages allows no code that is made from text.
import {language, say, strings, theme, vega} from "./page.js";

let library, locale, left = false;

const finished = new WeakMap(); // plot -> the view that is shown, to be ended before the next one

/** Draw every chart in a part of the page whose picture is not the one that is asked for. */
export async function draw(part) {
  const plots = [...part.querySelectorAll("[data-chart]")].filter(isOutdated);
  await Promise.all(plots.map(drawOne));
}

async function load() {
  const loading = import(vega);
  locale = {formatLocale: numbers(), timeFormatLocale: dates()};
  return loading;
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
    const view = await embed(room, specification, {
      renderer: "svg", ast: true, actions: false, defaultStyle: false, tooltip: {disableDefaultStyle: true},
      ...locale,
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

/** The session ended: load the page again, which leads to the login. Once, whichever charts find out. */
function leave() {
  if (left) return;
  left = true;
  location.reload();
}

/** How the reader's language writes numbers, as d3-format takes it. */
function numbers() {
  const parts = new Intl.NumberFormat(language).formatToParts(-12345.6);
  const of = (type, otherwise) => parts.find((part) => part.type === type)?.value ?? otherwise;
  return {decimal: of("decimal", "."), thousands: of("group", ""), grouping: [3], currency: ["", ""]};
}

/** How it names days and months, as d3-time-format takes it. */
function dates() {
  const names = (form, days) => {
    const {format} = new Intl.DateTimeFormat(language, {...form, timeZone: "UTC"}); // one for all: each takes half a millisecond
    return days.map(format);
  };
  const week = [...Array(7).keys()].map((day) => Date.UTC(2024, 0, 7 + day)); // from a Sunday on
  const year = [...Array(12).keys()].map((month) => Date.UTC(2024, month, 1));
  return {
    dateTime: "%x, %X", date: "%-d %b %Y", time: "%H:%M", periods: ["AM", "PM"],
    days: names({weekday: "long"}, week), shortDays: names({weekday: "short"}, week),
    months: names({month: "long"}, year), shortMonths: names({month: "short"}, year),
  };
}
