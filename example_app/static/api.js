// Requests to the API.

export const { prefix } = document.querySelector("main").dataset;

/** Send a request, and return its response. Without a response, the status is 0. */
export async function call(method, url, { token, json } = {}) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token.raw}`;
  if (json) headers["Content-Type"] = "application/json";
  try {
    const received = await fetch(url, {
      method,
      headers,
      body: json && JSON.stringify(json),
      cache: "no-store",
      credentials: "omit",
      signal: AbortSignal.timeout(20_000),
    });
    const text = await received.text();
    return { status: received.status, ok: received.ok, headers: received.headers, text, body: parse(text) };
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
export function inWords(response) {
  if (response.status === 0) return "The server cannot be reached. Is it still running?";
  const details = response.body?.details;
  if (Array.isArray(details) && details.length) return `${details.join(". ")}.`;
  return `The server responded with ${response.status} and no reason.`;
}
