// The behaviour of the page, a module for each part.

import "./account.js";
import "./routes.js";
import "./sessions.js";
