"""No ``repr()`` shows a secret, a password, a token or a URL with credentials."""

from __future__ import annotations

from flask_core_auth import jws
from flask_core_auth.config import AuthConfig
from flask_core_auth.transport import SentToken
from flask_core_auth.validators.auth0 import parse_token

from .forge import claims, forge

CANARY = "canary-that-must-never-be-shown"


def test_config_shows_no_secret(make_app):
    app = make_app(
        API_AUTH_PASSWORD=CANARY,
        API_AUTH_JWT_SECRET=f"{CANARY}-which-is-long-enough",
        API_AUTH_JWT_SECRET_FALLBACKS=[f"{CANARY}-which-is-old-and-long-enough"],
        API_AUTH_USERS={"eve": {"password": CANARY}},
        API_AUTH_SESSIONS=f"postgresql+psycopg://user:{CANARY}@localhost/db",
        API_AUTH_LIMIT_STORAGE=f"redis://:{CANARY}@localhost:1/0",
    )
    state = app.extensions["core_auth"]
    assert isinstance(state.config, AuthConfig)
    for name in ("config", "validators", "tokens", "grants", "throttle", "sessions", "callbacks"):
        assert CANARY not in repr(getattr(state, name)), name
    assert CANARY not in repr(state)
    assert CANARY not in repr(vars(state.sessions))
    assert CANARY not in repr(vars(state.sessions._store))


def test_parsed_tokens_show_neither_payload_nor_signature():
    token = forge(claims())
    _, payload, signature = token.split(".")
    for shown in (
        repr(jws.parse(token)),
        repr(parse_token(token)),
        repr(SentToken(token, None, "cookies")),
    ):
        assert token not in shown
        assert payload not in shown
        assert signature not in shown


def test_remembered_token_is_not_shown(app):
    token = forge(claims(extra=[CANARY]))
    verified = app.extensions["core_auth"].tokens.verify(token, "access")
    assert token not in repr(verified)
