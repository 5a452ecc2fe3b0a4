// The routes of the app, and the response to the last call.

import { call, inWords } from "./api.js";
import { byId, make } from "./elements.js";
import { clearPanel, kindOf, showResponse, statusOf } from "./responses.js";
import { on, tokens } from "./tokens.js";

/** Advice for each error in a challenge (RFC 6750, RFC 9470). */
const ADVICE = {
  invalid_token: "Refresh, and call it again.",
  insufficient_user_authentication: "This access token comes from a refresh. Log out, and log in again.",
  insufficient_scope: "This user does not have the scope: log in as another user.",
};
let calls = 0;

async function callRoute(button) {
  const number = ++calls;
  const { url } = button.dataset;
  const response = await call("GET", url, { token: tokens()?.access });
  if (number !== calls) return; // the user has called another route since
  const mark = button.querySelector("b");
  mark.textContent = response.status || "–";
  mark.className = kindOf(response);
  show(url, response);
}

function show(url, response) {
  const panel = byId("response");
  panel.hidden = false;
  panel.className = `card ${kindOf(response)}`;
  panel.querySelector(".status").replaceChildren(make("b", {}, statusOf(response)), ` ${url}`);
  panel.querySelector(".words").textContent = response.ok ? "" : `${inWords(response)} ${advice(response)}`;
  showResponse(panel, response);
  panel.scrollIntoView({ block: "nearest" });
}

function advice(response) {
  const challenge = response.headers.get("WWW-Authenticate");
  if (challenge === null) return "";
  const error = /error="([^"]*)"/.exec(challenge);
  return error ? (ADVICE[error[1]] ?? "") : "No token was sent: log in first.";
}

function forget() {
  calls++;
  clearPanel(byId("response"));
  document.querySelectorAll(".routes b").forEach((mark) => mark.replaceChildren());
}

for (const button of document.querySelectorAll(".routes [data-url]")) {
  button.addEventListener("click", () => callRoute(button));
}
on("login", forget);
on("logout", forget);
