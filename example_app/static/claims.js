// The claims of a token, each with its meaning.

import { row } from "./elements.js";
import { moment, span } from "./times.js";

/** The meaning of each claim, in the order of the page. */
const MEANINGS = {
  alg: () => "the signature algorithm",
  typ: () => "a JSON Web Token",
  iss: () => "issuer: the realm of this app",
  sub: () => "subject: the user",
  idp: (value) => {
    if (value === "local") return "identity provider: the app’s settings";
    return value === "host" ? "identity provider: the app" : "identity provider: a tenant";
  },
  scope: (value) => (value === "*" ? "scopes: all" : "scopes: the user’s permissions"),
  usefor: (value) => (value === "access" ? "accepted by routes" : "accepted by the refresh"),
  type: () => "the use, for flask-jwt-extended",
  fresh: (value, { usefor }) => {
    if (usefor === "refresh") return "only access tokens can be fresh";
    return value ? "issued at a login" : "issued at a refresh";
  },
  iat: (value) => ["issued ", moment(value)],
  nbf: (value) => ["not valid before ", moment(value)],
  exp: (value) => ["expires ", moment(value)],
  exi: (value) => `valid for ${span(value)}`,
  jti: () => "the ID of this token",
  sid: () => "the ID of the session",
  cred: () => "invalid after a new password",
  csrf: () => "protects a token in a cookie",
};
const ORDER = Object.keys(MEANINGS);

/** Make a row of each claim, in the order of the meanings. */
export function claimRows(claims, payload) {
  const place = ([name]) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  return Object.entries(claims)
    .sort((one, other) => place(one) - place(other))
    .map(([name, value]) => {
      const note = ORDER.includes(name) ? [MEANINGS[name](value, payload)].flat() : [];
      return row(name, JSON.stringify(value), typeof value, ...note);
    });
}
