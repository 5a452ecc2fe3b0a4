"""Serve the example app on this machine, with a new password: ``python -m example_app.demo``."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import sys

LINES = r"""Serving the example app at {url}

  user {username!r}, password {password!r}: every scope
  user 'viewer', the same password: no scope

Open it in a browser; {url}/docs describes its API. Or try it in another terminal:

  # an open route, and a protected route, which rejects a request without a token
  curl {url}/api/v3/ping
  curl -i {url}/api/v3/profile

  # log in, and call the protected route
  TOKENS=$(curl -s {url}/api/login -H 'Content-Type: application/json' -d {login})
  ACCESS=$(echo "$TOKENS" | python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')
  REFRESH=$(echo "$TOKENS" | python3 -c 'import json, sys; print(json.load(sys.stdin)["refresh_token"])')
  curl {url}/api/v3/profile -H "Authorization: Bearer $ACCESS"

  # get a new access token, which is not fresh
  curl {url}/api/login/refresh -H "Authorization: Bearer $REFRESH"

  # rejected: a refresh token at a protected route, and a wrong password
  curl -i {url}/api/v3/profile -H "Authorization: Bearer $REFRESH"
  curl -i {url}/api/login -H 'Content-Type: application/json' \
    -d '{{"username": "admin", "password": "wrong"}}'

  # log out, which ends the session: its refresh token is no longer accepted
  curl -i -X POST {url}/api/logout -H "Authorization: Bearer $REFRESH"

Stop with Ctrl-C.
"""


def main() -> None:
    """Set missing environment variables, print commands to try, and start gunicorn."""
    environ = os.environ
    address = environ.get("DEMO_ADDRESS", "127.0.0.1:8080")
    username = environ.setdefault("CORE_API_AUTH_USERNAME", "admin")
    password = environ.setdefault("CORE_API_AUTH_PASSWORD", secrets.token_urlsafe(12))
    environ.setdefault("CORE_API_AUTH_USERS", json.dumps({"viewer": {"password": password}}))
    # Not made in the app: all workers must have the same secret.
    environ.setdefault("CORE_API_AUTH_JWT_SECRET", secrets.token_urlsafe(48))
    # A relative path is in the instance folder, which git ignores.
    environ.setdefault("CORE_API_AUTH_SESSIONS", "sqlite:///core-auth.db")
    login = json.dumps({"username": username, "password": password})
    print(
        LINES.format(
            url=f"http://{address}", username=username, password=password, login=shlex.quote(login)
        ),
        flush=True,
    )
    os.execv(  # noqa: S606  # nosec B606  # a shell is not needed
        sys.executable,
        [
            *(sys.executable, "-m", "gunicorn", "--bind", address, "--workers", "2"),
            "--no-control-socket",
            *("--threads", "4", "--access-logfile", "-", "example_app:create_app()"),
        ],
    )


if __name__ == "__main__":
    main()
