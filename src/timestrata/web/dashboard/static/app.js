// What every page does in the browser. Without it the pages work too: it draws, keeps them fresh, and saves reloads.
import {draw} from "./charts.js";
import {listen} from "./live.js";
import {handleCards} from "./cards.js";
import {closeByEscape} from "./kpi.js";
import {handleTables} from "./tables.js";
import {forgetShapes} from "./shapes.js";
import {chooseTheme} from "./theme.js";
import {handleGaps} from "./undo.js";
import {handleWork, runTimers} from "./work.js";
import {handleKeys} from "./keys.js";

// Once the page is painted: to look at its tables alone takes the browser 15 ms, and forms and links work without.
requestAnimationFrame(() => setTimeout(start));

function start() {
  chooseTheme();
  handleCards();
  handleTables();
  closeByEscape();
  handleGaps();
  handleWork();
  runTimers();
  handleKeys();
  document.querySelector("form[action='/logout']")?.addEventListener("submit", forgetShapes);
  draw(document);
  listen();
}
