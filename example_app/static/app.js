// The behaviour of the page. The tokens are kept in the memory of this module, not in a storage or a cookie.

const { prefix } = document.querySelector("main").dataset;
const byId = (id) => document.getElementById(id);
const form = document.forms[0];
const withSessions = byId("sessions") !== null;

/** The two decoded tokens while a user is logged in; otherwise null. */
let tokens = null;

// Requests to the API

/** Send a request, and return its response. Without a response, the status is 0. */
async function call(method, url, { token, json } = {}) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token.raw}`;
  if (json) headers["Content-Type"] = "application/json";
  try {
    const response = await fetch(url, {
      method,
      headers,
      body: json && JSON.stringify(json),
      cache: "no-store",
      credentials: "omit",
      signal: AbortSignal.timeout(20_000),
    });
    const text = await response.text();
    return { status: response.status, ok: response.ok, headers: response.headers, text, body: parse(text) };
  } catch {
    return { status: 0, ok: false, headers: new Headers(), text: "", body: null };
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Return the error of a response in words. */
function inWords(answer) {
  if (answer.status === 0) return "The server cannot be reached. Is it still running?";
  const details = answer.body?.details;
  if (Array.isArray(details) && details.length) return `${details.join(". ")}.`;
  return `The server responded with ${answer.status} and no reason.`;
}

let busy = false;

/** Make an event handler that ignores events while another one runs, so that tokens change one at a time. */
function alone(action) {
  return async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    document.body.setAttribute("aria-busy", "true");
    try {
      await action();
    } finally {
      busy = false;
      document.body.removeAttribute("aria-busy");
    }
  };
}

// Tokens

function decode(raw) {
  const parts = raw.split(".");
  const [header, payload] = parts.slice(0, 2).map((part) => {
    const binary = atob(part.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  });
  const lifetime = (payload.exp - payload.iat) * 1000;
  // From now on, not from `iat`: this device's clock may be wrong, but it measures durations correctly.
  return { raw, parts, header, payload, lifetime, expires: Date.now() + lifetime };
}

/** The meaning of each claim, in the order of the page. */
const MEANINGS = {
  alg: () => "the signature algorithm",
  typ: () => "a JSON Web Token",
  iss: () => "issuer: the realm of this app",
  sub: () => "subject: the user",
  idp: (value) => {
    if (value === "local") return "identity provider: the app’s config";
    return value === "host" ? "identity provider: the app" : "identity provider: a tenant";
  },
  scope: (value) => (value === "*" ? "scopes: all" : "scopes"),
  usefor: (value) => (value === "access" ? "gives access to routes" : "gets access tokens"),
  type: () => "the same for flask-jwt-extended",
  fresh: (value, { usefor }) => {
    if (usefor === "refresh") return "only access tokens can be fresh";
    return value ? "issued at a login" : "not issued at a login";
  },
  iat: (value) => ["issued ", moment(value)],
  nbf: (value) => ["not valid before ", moment(value)],
  exp: (value) => ["expires ", moment(value)],
  exi: (value) => `lives ${span(value)}`,
  jti: () => "the token’s own ID",
  sid: () => "the session of the token",
  cred: () => "changes with the password",
  csrf: () => "protects it in a cookie",
};
const ORDER = Object.keys(MEANINGS);

/** Show seconds since the epoch, or a date in ISO 8601, as local time; with the day, unless it is today. */
function moment(value, timeStyle = "medium") {
  const date = new Date(typeof value === "number" ? value * 1000 : value);
  const today = date.toDateString() === new Date().toDateString();
  const text = date.toLocaleString([], { dateStyle: today ? undefined : "medium", timeStyle });
  return make("time", { datetime: date.toISOString() }, text);
}

/** Turn 600 seconds into "10 minutes". */
function span(seconds) {
  const units = { day: 86400, hour: 3600, minute: 60, second: 1 };
  const [unit, size] = Object.entries(units).find(([, size]) => seconds % size === 0);
  const count = seconds / size;
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

/** Turn 61,000 milliseconds into "1:01". */
function clock(milliseconds) {
  const total = Math.ceil(milliseconds / 1000);
  const [days, hours, minutes, seconds] = [total / 86400, (total / 3600) % 24, (total / 60) % 60, total % 60];
  const digits = (number) => String(Math.floor(number)).padStart(2, "0");
  const long = `${Math.floor(hours)}:${digits(minutes)}:${digits(seconds)}`;
  if (total >= 86400) return `${Math.floor(days)} d ${long}`;
  return total >= 3600 ? long : `${Math.floor(minutes)}:${digits(seconds)}`;
}

// Elements

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Change the text of an element, unless it is the same: screen readers read each change aloud. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Make a row of a list: a name, its value, and its meaning. */
function row(name, value, kind, ...note) {
  return make(
    "div",
    {},
    make("dt", {}, name),
    make("dd", { class: kind }, value),
    ...(note.length ? [make("dd", { class: "note" }, ...note)] : []),
  );
}

function claimRows(claims, payload) {
  const place = ([name]) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  return Object.entries(claims)
    .sort((one, other) => place(one) - place(other))
    .map(([name, value]) => {
      const note = ORDER.includes(name) ? [MEANINGS[name](value, payload)].flat() : [];
      return row(name, JSON.stringify(value), typeof value, ...note);
    });
}

/** Show news in a section, and clear its error. */
function showNews(place, text = "") {
  byId(`${place}-problem`).replaceChildren();
  byId(`${place}-news`).textContent = text;
}

/** The end of each wait, by the element that counts down to it. */
const waits = new Map();

/** Show the error of a response in a section and, with Retry-After, a countdown. */
function showError(place, answer, advice = "") {
  showNews(place);
  const problem = byId(`${place}-problem`);
  problem.textContent = [inWords(answer), advice].filter(Boolean).join(" ");
  const seconds = Number(answer.headers.get("Retry-After"));
  if (seconds > 0) {
    const timer = make("span", { role: "timer" });
    waits.set(timer, Date.now() + seconds * 1000);
    problem.append(" Try again in ", timer, ".");
    tick();
  }
}

/** Show the user and the tokens, or the login form. */
function show() {
  const loggedIn = tokens !== null;
  byId("login").hidden = loggedIn;
  byId("account").hidden = !loggedIn;
  byId("tokens").querySelector(".empty").hidden = loggedIn;
  byId("tokens").querySelector(".cards").hidden = !loggedIn;
  if (withSessions) byId("sessions").hidden = !loggedIn;
  byId("account-name").textContent = tokens?.access.payload.sub ?? "";
  for (const id of ["access", "refresh"]) showToken(id, tokens?.[id]);
  tick();
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

/** Update every countdown. */
function tick() {
  const now = Date.now();
  for (const [id, token] of Object.entries(tokens ?? {})) countDown(id, token, token.expires - now);
  for (const [timer, until] of waits) {
    if (!timer.isConnected) waits.delete(timer);
    else if (until > now) write(timer, clock(until - now));
    else timer.parentElement.replaceChildren("You can try again now.");
  }
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

// Logging in and out

async function logIn() {
  const { username, password } = form.elements;
  const credentials = { username: username.value, password: password.value };
  const answer = await call("POST", `${prefix}/login`, { json: credentials });
  if (!answer.ok) {
    showError("login", answer);
    password.select();
    return;
  }
  tokens = { access: decode(answer.body.access_token), refresh: decode(answer.body.refresh_token) };
  form.reset();
  showNews("login");
  showNews("account");
  forgetAnswer();
  show();
  byId("account-name").focus();
  await listSessions();
}

async function refresh() {
  const answer = await call("GET", `${prefix}/login/refresh`, { token: tokens.refresh });
  if (!answer.ok) {
    const expired = "This refresh token is no longer accepted: log out, and log in again.";
    showError("account", answer, answer.status === 401 ? expired : "");
    return;
  }
  tokens.access = decode(answer.body.access_token);
  let news = "A new access token. It comes from a refresh and not from a login, so it is not fresh.";
  const next = answer.body.refresh_token ?? tokens.refresh.raw;
  if (next !== tokens.refresh.raw) {
    tokens.refresh = decode(next);
    news += " The refresh token was replaced, too.";
  }
  show();
  showNews("account", news);
  await listSessions();
}

async function logOut() {
  if (!withSessions) {
    leave("Logged out. The page has discarded the tokens, but a copy is accepted until it expires.");
    return;
  }
  // With the refresh token, which lives longer: an expired token cannot end a session.
  const answer = await call("POST", `${prefix}/logout`, { token: tokens.refresh });
  if (answer.ok || answer.status === 401) {
    leave("Logged out. The session is ended, and its refresh token is no longer accepted.");
  } else showError("account", answer);
}

/** Discard the tokens, and say why. */
function leave(why) {
  tokens = null;
  forgetAnswer();
  if (withSessions) byId("sessions").querySelector("ul").replaceChildren();
  show();
  showNews("login", why);
  form.elements.username.focus();
}

// Routes

/** Advice for each error in a challenge (RFC 6750, RFC 9470). */
const ADVICE = {
  invalid_token: "Refresh, and call it again.",
  insufficient_user_authentication: "This access token comes from a refresh. Log out, and log in again.",
  insufficient_scope: "This user does not have the scope: log in as another user.",
};
const HEADERS = ["WWW-Authenticate", "Retry-After", "Content-Type"];
let calls = 0;

async function callRoute(button) {
  const number = ++calls;
  const { url } = button.dataset;
  const answer = await call("GET", url, { token: tokens?.access });
  if (number !== calls) return; // the user has called another route since
  const kind = answer.ok ? "good" : "bad";
  const mark = button.querySelector("b");
  mark.textContent = answer.status || "–";
  mark.className = kind;
  showAnswer(url, answer, kind);
}

function showAnswer(url, answer, kind) {
  const panel = byId("answer");
  panel.hidden = false;
  panel.className = `card ${kind}`;
  const phrase = answer.ok ? "OK" : (answer.body?.message ?? "");
  const status = answer.status ? `${answer.status} ${phrase}` : "No response";
  panel.querySelector(".status").replaceChildren(make("b", {}, status), ` ${url}`);
  panel.querySelector(".words").textContent = answer.ok ? "" : `${inWords(answer)} ${advice(answer)}`;
  const headers = HEADERS.filter((name) => answer.headers.has(name));
  panel
    .querySelector("[data-part=headers]")
    .replaceChildren(...headers.map((name) => row(name, answer.headers.get(name), "header")));
  const body = panel.querySelector("pre");
  body.textContent = answer.body === null ? answer.text : JSON.stringify(answer.body, null, 2);
  body.hidden = !answer.text;
  panel.scrollIntoView({ block: "nearest" });
}

function advice(answer) {
  const challenge = answer.headers.get("WWW-Authenticate");
  if (challenge === null) return "";
  const error = /error="([^"]*)"/.exec(challenge);
  return error ? (ADVICE[error[1]] ?? "") : "No token was sent: log in first.";
}

function forgetAnswer() {
  calls++;
  const panel = byId("answer");
  panel.hidden = true;
  panel.querySelectorAll("p, dl, pre").forEach((part) => part.replaceChildren());
  document.querySelectorAll(".routes b").forEach((mark) => mark.replaceChildren());
}

// Sessions

/** Load the list of sessions, and tell whether it succeeded. */
async function listSessions() {
  if (!withSessions) return true;
  const answer = await call("GET", `${prefix}/sessions`, { token: tokens.access });
  if (answer.ok) {
    showNews("sessions");
    byId("sessions").querySelector("ul").replaceChildren(...answer.body.sessions.map(sessionItem));
  } else showSessionError(answer);
  return answer.ok;
}

function sessionItem(session) {
  const program = programOf(session.user_agent ?? "");
  const address = session.address ?? "unknown address";
  const end = make("button", { "aria-label": `End the session of ${program}, ${address}` }, "End");
  end.addEventListener("click", alone(() => endSession(session)));
  const [since, used, until] = [session.created_at, session.last_used_at, session.expires_at].map((time) =>
    moment(time, "short"),
  );
  return make(
    "li",
    { title: session.user_agent ?? "" },
    make("p", {}, program, ...(session.current ? [" ", make("span", { class: "tag" }, "current")] : [])),
    end,
    make("small", {}, `${address}, last used `, used),
    make("small", {}, "since ", since, ", until ", until),
  );
}

// In this order: the user agent of each browser also names browsers after it in the list; systems likewise.
const BROWSERS = { Edg: "Edge", OPR: "Opera", Firefox: "Firefox", Chrome: "Chrome", Safari: "Safari" };
const SYSTEMS = ["Android", "iPhone", "iPad", "Windows", "Macintosh", "Linux"];

/** Return a short name of a user agent. */
function programOf(agent) {
  if (!agent.startsWith("Mozilla/")) return agent.split(" ")[0] || "Unknown program";
  const browser = Object.keys(BROWSERS).find((name) => agent.includes(`${name}/`));
  const system = SYSTEMS.find((name) => agent.includes(name));
  return [BROWSERS[browser] ?? "Unknown browser", system].filter(Boolean).join(" on ");
}

async function endSession({ id, current }) {
  const url = `${prefix}/sessions/${encodeURIComponent(id)}`;
  const answer = await call("DELETE", url, { token: tokens.access });
  if (!answer.ok) showSessionError(answer);
  else if (current) leave("You have ended the session of this page.");
  else {
    byId("sessions-title").focus();
    if (await listSessions()) showNews("sessions", "The session is ended.");
  }
}

async function endSessions() {
  const answer = await call("DELETE", `${prefix}/sessions`, { token: tokens.access });
  if (answer.ok) leave("All your sessions are ended, the session of this page included.");
  else showSessionError(answer);
}

function showSessionError(answer) {
  showError("sessions", answer, answer.status === 401 ? "Refresh first." : "");
}

form.addEventListener("submit", alone(logIn));
byId("refresh").addEventListener("click", alone(refresh));
byId("logout").addEventListener("click", alone(logOut));
for (const button of document.querySelectorAll(".routes button")) {
  button.addEventListener("click", () => callRoute(button));
}
if (withSessions) {
  byId("reload-sessions").addEventListener("click", alone(listSessions));
  byId("end-sessions").addEventListener("click", alone(endSessions));
}
setInterval(tick, 250);
