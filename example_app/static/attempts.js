// "Try to get in": requests that the app rejects, each with its response and the reason.

import { alone } from "./alone.js";
import { call, inWords, prefix } from "./api.js";
import { byId, make } from "./elements.js";
import { wait } from "./messages.js";
import { clearPanel, kindOf, showResponse, statusOf } from "./responses.js";
import { discard, on, tokens } from "./tokens.js";

/** A username that probably does not exist: the limit counts failed logins by username, and locks out no user. */
const INTRUDER = "intruder";
/** More than the limit of the demo in each of its two processes. */
const MAX_GUESSES = 30;

const panel = byId("attempt");
const protectedRoute = document.querySelectorAll("[data-url]")[1].dataset.url;

/** Shorten a part of a token: the page shows no token that somebody could use. */
const short = (part) => (part.length > 12 ? `${part.slice(0, 6)}…${part.slice(-4)}` : part);

/** Return the lines of a request with a token in short form, and perhaps a marked character in its payload. */
function requestWith(method, url, { parts }, marked) {
  const [header, payload, signature] = parts.map(short);
  const shown = marked ? [payload.slice(0, 7), make("mark", {}, marked), payload.slice(6)] : [payload];
  return [`${method} ${url}\nAuthorization: Bearer ${header}.`, ...shown, `.${signature}`];
}

async function sendToken(method, url, token, reason) {
  const response = await call(method, url, { token });
  return { request: requestWith(method, url, token), url, response, reason };
}

/** Change one character of the payload. */
async function sendChanged() {
  const { parts } = tokens().access;
  const [header, payload, signature] = parts;
  const place = Math.floor(payload.length / 2);
  const before = payload[place];
  const after = before === "A" ? "B" : "A";
  const changed = [header, payload.slice(0, place) + after + payload.slice(place + 1), signature];
  const response = await call("GET", protectedRoute, { token: { raw: changed.join(".") } });
  return {
    request: requestWith("GET", protectedRoute, { parts: changed }, after),
    url: protectedRoute,
    response,
    reason:
      `The page changed one character of the payload from “${before}” to “${after}”. ` +
      "The signature no longer matches, and only the app has the secret key for a new signature.",
  };
}

/** Guess passwords until the limit rejects a login. */
async function guess() {
  const url = `${prefix}/login`;
  let guesses = 0;
  let json;
  let response;
  do {
    guesses++;
    json = { username: INTRUDER, password: `guess ${guesses}` };
    response = await call("POST", url, { json });
  } while (response.status === 403 && guesses < MAX_GUESSES);
  const wrong = response.status === 429 ? guesses - 1 : guesses;
  const before = `${wrong} ${wrong === 1 ? "password was" : "passwords were"} wrong (403). `;
  return {
    request: [`POST ${url}\nContent-Type: application/json\n\n${JSON.stringify(json, null, 2)}`],
    url,
    response,
    reason:
      response.status === 429
        ? `${wrong ? before : ""}The app then rejects every login with this username from this address, ` +
          "without a look at the password."
        : `${before}The limit on failed logins of this app is higher (API_AUTH_LOGIN_LIMIT).`,
  };
}

/** Log out, and refresh with the token of the ended session. */
async function refreshAfterLogout() {
  const { refresh } = tokens();
  const logout = await call("POST", `${prefix}/logout`, { token: refresh });
  if (!logout.ok) {
    return { request: requestWith("POST", `${prefix}/logout`, refresh), url: `${prefix}/logout`, response: logout };
  }
  discard("Logged out by an attempt to get in. The session is ended.");
  return sendToken(
    "GET",
    `${prefix}/login/refresh`,
    refresh,
    "The token has a valid signature and has not expired, but the logout ended its session.",
  );
}

const ATTEMPTS = {
  passwords: guess,
  changed: sendChanged,
  "refresh-at-route": () =>
    sendToken(
      "GET",
      protectedRoute,
      tokens().refresh,
      "The claim “usefor” of this token is “refresh”. A route accepts access tokens only.",
    ),
  "access-at-refresh": () =>
    sendToken(
      "GET",
      `${prefix}/login/refresh`,
      tokens().access,
      "The claim “usefor” of this token is “access”. Only a refresh token gets new tokens, " +
        "so a stolen access token is of use for minutes.",
    ),
  "after-logout": refreshAfterLogout,
};

function words(response, reason) {
  if (response.ok) return "The app accepted the request.";
  return reason && [401, 403, 429].includes(response.status) ? reason : inWords(response);
}

async function attempt(button) {
  const { request, url, response, reason } = await ATTEMPTS[button.dataset.attempt]();
  const mark = button.querySelector("b");
  mark.textContent = response.status || "–";
  mark.className = kindOf(response);
  panel.hidden = false;
  panel.className = `card ${kindOf(response)}`;
  panel.querySelector("[data-part=request]").replaceChildren(...request);
  panel.querySelector(".status").replaceChildren(make("b", {}, statusOf(response)), ` ${url}`);
  showResponse(panel, response);
  panel.querySelector(".words").textContent = words(response, reason);
  panel.querySelector(".wait").replaceChildren(...wait(response));
  // The logout hides the button, which had the focus.
  if (button.closest("[hidden]")) panel.focus();
  panel.scrollIntoView({ block: "nearest" });
}

/** Show the attempts that are possible, and forget the last one. */
function reset() {
  clearPanel(panel);
  const loggedIn = tokens() !== null;
  byId("attempts-login").hidden = loggedIn;
  for (const item of document.querySelectorAll("[data-needs-login]")) item.hidden = !loggedIn;
  for (const mark of document.querySelectorAll(".attempts b")) mark.replaceChildren();
}

for (const button of document.querySelectorAll("[data-attempt]")) {
  button.addEventListener("click", alone(() => attempt(button)));
}
on("login", reset);
on("logout", reset);
