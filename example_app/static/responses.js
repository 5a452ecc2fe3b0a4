// The parts of a response that the page shows.

import { row } from "./elements.js";

const HEADERS = ["WWW-Authenticate", "Retry-After", "Content-Type"];

/** Return "good" or "bad". */
export const kindOf = (response) => (response.ok ? "good" : "bad");

/** Return the status with its phrase, such as "401 Unauthorized". */
export function statusOf(response) {
  if (response.status === 0) return "No response";
  return `${response.status} ${response.ok ? "OK" : (response.body?.message ?? "")}`;
}

/** Show the headers and the body of a response in a panel. */
export function showResponse(panel, response) {
  const headers = HEADERS.filter((name) => response.headers.has(name));
  panel
    .querySelector("[data-part=headers]")
    .replaceChildren(...headers.map((name) => row(name, response.headers.get(name), "header")));
  const body = panel.querySelector("[data-part=body]");
  body.textContent = response.body === null ? response.text : JSON.stringify(response.body, null, 2);
  body.hidden = !response.text;
}

/** Hide a panel, and remove its content: a hidden element would still contain it. */
export function clearPanel(panel) {
  panel.hidden = true;
  panel.querySelectorAll("p, dl, pre").forEach((part) => part.replaceChildren());
}
