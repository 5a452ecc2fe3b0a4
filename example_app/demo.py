"""Serve the example app on this machine, with a password made for the occasion.

Run it with ``python -m example_app.demo``.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import sys

LINES = r"""Serving the example app at {url}

  user {username!r}, password {password!r}: every scope
  user 'viewer', the same password: no scope

Open it in a browser, {url}/docs for the description of its API, or try it from another
terminal:

  # open to everybody; protected, so refused
  curl {url}/api/v3/ping
  curl -i {url}/api/v3/profile

  # log in, and call the protected route
  TOKENS=$(curl -s {url}/api/login -H 'Content-Type: application/json' -d {login})
  ACCESS=$(echo "$TOKENS" | python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')
  REFRESH=$(echo "$TOKENS" | python3 -c 'import json, sys; print(json.load(sys.stdin)["refresh_token"])')
  curl {url}/api/v3/profile -H "Authorization: Bearer $ACCESS"

  # a new access token, which is not fresh
  curl {url}/api/login/refresh -H "Authorization: Bearer $REFRESH"

  # refused: a refresh token opens no route, a wrong password none at all
  curl -i {url}/api/v3/profile -H "Authorization: Bearer $REFRESH"
  curl -i {url}/api/login -H 'Content-Type: application/json' \
    -d '{{"username": "admin", "password": "wrong"}}'

  # log out: the session is ended, and the refresh token with it
  curl -i -X POST {url}/api/logout -H "Authorization: Bearer $REFRESH"

Stop with Ctrl-C.
"""


def main() -> None:
    """Fill in what the environment leaves open, say how to try it, and become gunicorn."""
    environ = os.environ
    address = environ.get("DEMO_ADDRESS", "127.0.0.1:8080")
    username = environ.setdefault("CORE_API_AUTH_USERNAME", "admin")
    password = environ.setdefault("CORE_API_AUTH_PASSWORD", secrets.token_urlsafe(12))
    environ.setdefault("CORE_API_AUTH_USERS", json.dumps({"viewer": {"password": password}}))
    # Made here and not in the app: each worker must have the same.
    environ.setdefault("CORE_API_AUTH_JWT_SECRET", secrets.token_urlsafe(48))
    # In the instance folder, which git ignores.
    environ.setdefault("CORE_API_AUTH_SESSIONS", "sqlite:///core-auth.db")
    login = json.dumps({"username": username, "password": password})
    print(
        LINES.format(
            url=f"http://{address}", username=username, password=password, login=shlex.quote(login)
        ),
        flush=True,
    )
    os.execv(  # noqa: S606  # no shell is wanted
        sys.executable,
        [
            *(sys.executable, "-m", "gunicorn", "--bind", address, "--workers", "2"),
            "--no-control-socket",
            *("--threads", "4", "--access-logfile", "-", "example_app:create_app()"),
        ],
    )


if __name__ == "__main__":
    main()
