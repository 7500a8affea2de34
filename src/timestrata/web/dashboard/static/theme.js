// The theme: from the machine first, the reader's choice in a cookie.
import {draw} from "./charts.js";

export function chooseTheme() {
  const choice = document.getElementById("theme");
  choice.hidden = false;
  choice.addEventListener("change", () => {
    document.documentElement.dataset.theme = choice.value;
    document.cookie = `timestrata_theme=${choice.value}; Path=/; Max-Age=31536000; SameSite=Lax`;
    draw(document);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(document));
}
