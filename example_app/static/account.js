// Logging in and out, and the time that is left to the tokens.

import { alone } from "./alone.js";
import { call, prefix } from "./api.js";
import { claimRows } from "./claims.js";
import { byId, write } from "./elements.js";
import { showError, showNews } from "./messages.js";
import { listSessions, withSessions } from "./sessions.js";
import { clock, moment } from "./times.js";
import { decode, discard, keep, on, tokens } from "./tokens.js";

const form = document.forms[0];

/** Show the user and the tokens, or the login form. */
function show() {
  const shown = tokens();
  byId("login").hidden = shown !== null;
  byId("account").hidden = shown === null;
  byId("tokens").querySelector(".empty").hidden = shown !== null;
  byId("tokens").querySelector(".cards").hidden = shown === null;
  byId("account-name").textContent = shown?.access.payload.sub ?? "";
  for (const id of ["access", "refresh"]) showToken(id, shown?.[id]);
  tickTokens();
}

/** Show a token. Without one, clear the last token, since a hidden element would still contain it. */
function showToken(id, token) {
  const card = byId(`${id}-token`);
  for (const part of ["header", "payload"]) {
    const rows = token ? claimRows(token[part], token.payload) : [];
    card.querySelector(`[data-part=${part}]`).replaceChildren(...rows);
  }
  card.querySelectorAll(".raw span").forEach((segment, index) => {
    segment.textContent = token?.parts[index] ?? "";
  });
  const until = byId(`${id}-meter`).querySelector(".until");
  until.replaceChildren(...(token ? ["until ", moment(token.expires / 1000)] : []));
}

/** Update the countdowns of the tokens. */
function tickTokens() {
  const now = Date.now();
  for (const [id, token] of Object.entries(tokens() ?? {})) countDown(id, token, token.expires - now);
}

const EXPIRED = {
  access: "The access token has expired: refresh it.",
  refresh: "The refresh token has expired: log out, and log in again.",
};

function countDown(id, token, left) {
  const expired = left <= 0;
  const meter = byId(`${id}-meter`);
  if (expired && !meter.classList.contains("expired")) showNews("account", EXPIRED[id]);
  meter.classList.toggle("expired", expired);
  meter.querySelector("progress").value = Math.max(left, 0) / token.lifetime;
  write(meter.querySelector(".left"), expired ? "expired" : clock(left));

  const tag = byId(`${id}-token`).querySelector(".tag");
  let state = "";
  if (expired) state = "expired";
  else if (id === "access") state = token.payload.fresh ? "fresh" : "not fresh";
  write(tag, state);
  tag.dataset.state = state;
  tag.hidden = !state;
}

async function logIn() {
  const { username, password } = form.elements;
  const credentials = { username: username.value, password: password.value };
  const response = await call("POST", `${prefix}/login`, { json: credentials });
  if (!response.ok) {
    showError("login", response);
    password.select();
    return;
  }
  form.reset();
  showNews("login");
  showNews("account");
  keep({ access: decode(response.body.access_token), refresh: decode(response.body.refresh_token) }, "login");
  byId("account-name").focus();
  await listSessions();
}

async function refresh() {
  const before = tokens().refresh;
  const response = await call("GET", `${prefix}/login/refresh`, { token: before });
  if (!response.ok) {
    const expired = "This refresh token is no longer accepted: log out, and log in again.";
    showError("account", response, response.status === 401 ? expired : "");
    return;
  }
  let news = "A new access token. It comes from a refresh and not from a login, so it is not fresh.";
  const next = response.body.refresh_token ?? before.raw;
  const replaced = next !== before.raw;
  if (replaced) news += " The refresh token was replaced, too.";
  keep({ access: decode(response.body.access_token), refresh: replaced ? decode(next) : before }, "refresh");
  showNews("account", news);
  await listSessions();
}

async function logOut() {
  if (!withSessions) {
    discard("Logged out. The page has discarded the tokens, but a copy is accepted until it expires.");
    return;
  }
  // With the refresh token, which lives longer: an expired token cannot end a session.
  const response = await call("POST", `${prefix}/logout`, { token: tokens().refresh });
  if (response.ok || response.status === 401) {
    discard("Logged out. The session is ended, and its refresh token is no longer accepted.");
  } else showError("account", response);
}

form.addEventListener("submit", alone(logIn));
byId("refresh").addEventListener("click", alone(refresh));
byId("logout").addEventListener("click", alone(logOut));
on("login", show);
on("refresh", show);
on("logout", ({ detail }) => {
  show();
  showNews("login", detail);
  form.elements.username.focus();
});
setInterval(tickTokens, 250);
