// The list of the user's sessions.

import { alone } from "./alone.js";
import { call, prefix } from "./api.js";
import { byId, make } from "./elements.js";
import { showError, showNews } from "./messages.js";
import { moment } from "./times.js";
import { discard, on, tokens } from "./tokens.js";

/** Whether the app has a session store. */
export const withSessions = byId("sessions") !== null;

/** Load the list of sessions, and tell whether it succeeded. */
export async function listSessions() {
  if (!withSessions) return true;
  const response = await call("GET", `${prefix}/sessions`, { token: tokens().access });
  if (response.ok) {
    showNews("sessions");
    byId("sessions").querySelector("ul").replaceChildren(...response.body.sessions.map(sessionItem));
  } else showSessionError(response);
  return response.ok;
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
  const response = await call("DELETE", url, { token: tokens().access });
  if (!response.ok) showSessionError(response);
  else if (current) discard("You have ended the session of this page.");
  else {
    byId("sessions-title").focus();
    if (await listSessions()) showNews("sessions", "The session is ended.");
  }
}

async function endSessions() {
  const response = await call("DELETE", `${prefix}/sessions`, { token: tokens().access });
  if (response.ok) discard("All your sessions are ended, the session of this page included.");
  else showSessionError(response);
}

function showSessionError(response) {
  showError("sessions", response, response.status === 401 ? "Refresh first." : "");
}

if (withSessions) {
  byId("reload-sessions").addEventListener("click", alone(listSessions));
  byId("end-sessions").addEventListener("click", alone(endSessions));
  on("login", () => {
    byId("sessions").hidden = false;
  });
  on("logout", () => {
    byId("sessions").hidden = true;
    byId("sessions").querySelector("ul").replaceChildren();
  });
}
