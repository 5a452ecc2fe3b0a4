"""Log in to the example app, call it, and store the tokens for the next run.

While ``make demo`` runs, the first run logs in, and the second run uses the stored tokens::

    python -m example_app.client http://127.0.0.1:8080 admin PASSWORD
    python -m example_app.client http://127.0.0.1:8080
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path

from flask_core_auth.client import CoreClient, TokenPair

STORE = Path("instance", "client-tokens.json")


def store(tokens: TokenPair) -> None:
    """Store tokens for the next run, in a file that only this user can read."""
    STORE.parent.mkdir(exist_ok=True)
    with open(STORE, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        json.dump(dataclasses.asdict(tokens), file)


def stored() -> TokenPair:
    """Return the tokens of the last run, or empty ones."""
    return TokenPair(**json.loads(STORE.read_text())) if STORE.exists() else TokenPair("", "")


def main() -> None:
    url, *login = sys.argv[1:]
    username, password = login or ("", "")
    tokens = stored()
    with CoreClient(
        url,
        username=username,
        password=password,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        on_tokens=store,
    ) as client:
        response = client.get("/api/v3/profile")
        response.raise_for_status()
        print(response.json())


if __name__ == "__main__":
    main()
