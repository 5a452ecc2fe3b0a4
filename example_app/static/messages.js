// Messages of a section, and the countdowns in them.

import { inWords } from "./api.js";
import { byId, make, write } from "./elements.js";
import { clock } from "./times.js";

/** Show news in a section, and clear its error. */
export function showNews(place, text = "") {
  byId(`${place}-problem`).replaceChildren();
  byId(`${place}-news`).textContent = text;
}

/** The end of each wait, by the element that counts down to it. */
const waits = new Map();

/** Show the error of a response in a section and, with Retry-After, a countdown. */
export function showError(place, response, advice = "") {
  showNews(place);
  const problem = byId(`${place}-problem`);
  problem.textContent = [inWords(response), advice].filter(Boolean).join(" ");
  problem.append(...wait(response));
}

/** Return the words and the countdown of Retry-After, or nothing. At the end, they replace their parent's content. */
export function wait(response) {
  const seconds = Number(response.headers.get("Retry-After"));
  if (!(seconds > 0)) return [];
  const timer = make("span", { role: "timer" }, clock(seconds * 1000));
  waits.set(timer, Date.now() + seconds * 1000);
  return [" Try again in ", timer, "."];
}

/** Update the countdowns of the waits. */
function tickWaits() {
  const now = Date.now();
  for (const [timer, until] of waits) {
    if (!timer.isConnected) waits.delete(timer);
    else if (until > now) write(timer, clock(until - now));
    else timer.parentElement.replaceChildren("You can try again now.");
  }
}

setInterval(tickWaits, 250);
