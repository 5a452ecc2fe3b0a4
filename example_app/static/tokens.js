// The two tokens of the user who is logged in. They stay in the memory of this module, not in a storage or a cookie.

/** The decoded tokens while a user is logged in; otherwise null. */
let held = null;
const changes = new EventTarget();

/** Return the decoded access token and refresh token, or null. */
export const tokens = () => held;

/** Store new tokens, after a "login" or a "refresh". */
export function keep(next, event) {
  held = next;
  changes.dispatchEvent(new Event(event));
}

/** Discard the tokens, and say why. */
export function discard(why) {
  held = null;
  changes.dispatchEvent(new CustomEvent("logout", { detail: why }));
}

/** Call a listener after a "login", a "refresh" or a "logout". A logout's event has the reason as its detail. */
export const on = (event, listener) => changes.addEventListener(event, listener);

/** Decode a token, without a check of its signature. */
export function decode(raw) {
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
