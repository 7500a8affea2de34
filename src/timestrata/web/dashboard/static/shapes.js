// Shapes: Vega-Lite specifications without what a change of the figures changes, compiled to Vega once and kept by the
// browser. Compiling takes a third of the time of a chart.
import {vega} from "./page.js";

const PLACE = "timestrata_shape ";
const OF_THIS_LIBRARY = `${PLACE}${vega} `; // another one compiles otherwise
const MOST = 60; // of 10 kB each: four charts of three periods of five people

/**
 * Return what Vega-Embed draws for a Vega-Lite specification, and the options that belong to it: the specification with
 * an option that keeps its shape, or of a shape that is known the Vega specification.
 */
export function shaped(specification) {
  const {datasets, description, params, ...rest} = specification;
  const shape = {...rest, params: params.map((each) => "value" in each ? {...each, value: null} : each)};
  const place = OF_THIS_LIBRARY + JSON.stringify(shape);
  const text = read(place);
  if (text !== null) return [filled(JSON.parse(text), specification), {mode: "vega"}];
  const patch = (vega) => {
    keep(place, JSON.stringify(emptied(vega, datasets)));
    return vega;
  };
  return [specification, {mode: "vega-lite", patch}];
}

function emptied(vega, datasets) {
  const data = vega.data.map((each) => Object.hasOwn(datasets, each.name) ? {...each, values: undefined} : each);
  return {...vega, data};
}

function filled(vega, {datasets, description, params}) {
  const data = vega.data.map((each) => Object.hasOwn(datasets, each.name) ? {...each, values: datasets[each.name]} : each);
  const values = new Map(params.filter((each) => "value" in each).map(({name, value}) => [name, value]));
  const signals = vega.signals.map((each) => values.has(each.name) ? {...each, value: values.get(each.name)} : each);
  return {...vega, data, signals, description};
}

/** Forget all shapes: they name steps and ticket types, which the next reader need not know. */
export function forgetShapes() {
  try {
    for (const place of Object.keys(localStorage)) if (place.startsWith(PLACE)) localStorage.removeItem(place);
  } catch { /* a browser that keeps nothing has nothing to forget */ }
}

function read(place) {
  try { return localStorage.getItem(place); } catch { return null; }
}

function keep(place, text) {
  try {
    if (localStorage.length >= MOST) forgetShapes();
    localStorage.setItem(place, text);
  } catch { /* it is compiled again, then */ }
}
