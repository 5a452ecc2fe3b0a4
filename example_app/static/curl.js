// "Copy as curl": the request of a route as a command for a terminal.

import { byId, make } from "./elements.js";
import { on, tokens } from "./tokens.js";

/** Quote a word for a POSIX shell. */
const quote = (word) => `'${word.replaceAll("'", "'\\''")}'`;

/** Return the curl command of a route, with the access token while a user is logged in. */
function commandOf(url) {
  const words = ["curl", "-i", quote(new URL(url, location.href).href)];
  const token = tokens()?.access;
  if (token) words.push("-H", quote(`Authorization: Bearer ${token.raw}`));
  return words.join(" ");
}

async function copy({ dataset }) {
  const command = commandOf(dataset.curl);
  try {
    // Without a secure context (http, not on localhost), there is no clipboard.
    await navigator.clipboard.writeText(command);
  } catch {
    const words = "The browser does not let the page copy. Copy this command yourself:";
    byId("copied").replaceChildren(words, make("br"), make("code", {}, command));
    return;
  }
  const secret = tokens() ? ", with your access token" : "";
  byId("copied").textContent = `Copied the curl command of ${dataset.curl}${secret}.`;
}

for (const button of document.querySelectorAll("[data-curl]")) {
  button.addEventListener("click", () => copy(button));
}
for (const event of ["login", "logout"]) on(event, () => byId("copied").replaceChildren());
