// The behaviour of the page, a module for each part.

import "./account.js";
import "./attempts.js";
import "./curl.js";
import "./routes.js";
import "./sessions.js";
