"""Secrets are never shown: what a broad run prints, logs, raises and shows has no canary, in any encoding.

:data:`LEAKS` are put into the code on purpose, and must be found.
"""

from __future__ import annotations

import base64
import json
import logging
import typing as t
import warnings
from collections.abc import Callable
from urllib.parse import quote

import pytest

from flask_core_auth import AuthError, ConfigError, check, signals
from flask_core_auth.client import CoreClientError
from flask_core_auth.config import AuthConfig
from flask_core_auth.routes import login as login_module
from flask_core_auth.tokens import Tokens

from .apps import PASSWORD as TEST_PASSWORD
from .apps import SECRET as TEST_SECRET
from .apps import Clock
from .canaries import (
    PARTS,
    PASSWORD,
    SECRET,
    Run,
    run_client,
    run_commands,
    run_cookies,
    run_logins,
)
from .conftest import MakeApp
from .evidence import Evidence
from .forge import claims, forge
from .shown import Shown
from .test_signals import NAMES


@pytest.fixture
def run(make_app: MakeApp, sqlite_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(make_app, sqlite_url, clock, monkeypatch)


def leaks_of(run: Run, part: Callable[[Run], None], capfd: pytest.CaptureFixture[str]) -> set[str]:
    """Play a part of the run, and return the canaries that it shows."""
    receivers = [getattr(signals, name) for name in NAMES]
    for signal in receivers:
        signal.connect(run.hear)
    try:
        with run.evidence.of_logs(), warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            part(run)
            run.evidence.add_objects()
    finally:
        for signal in receivers:
            signal.disconnect(run.hear)
    run.evidence.add("warning", *(str(warning.message) for warning in warned))
    run.evidence.add("stdout, stderr", *capfd.readouterr())
    assert len(run.evidence.texts) > 10
    return run.evidence.leaks(run.secrets)


@pytest.mark.parametrize("part", PARTS)
def test_nothing_shows_a_secret(
    run: Run, part: Callable[[Run], None], capfd: pytest.CaptureFixture[str]
) -> None:
    assert leaks_of(run, part, capfd) == set()


# Leaks on purpose


def log_password(run: Run) -> None:
    """Log the password, at the lowest level."""
    validate = login_module._validate_password

    def log(state: t.Any, sent: t.Any) -> t.Any:
        logging.getLogger("flask_core_auth").debug("Validating %r with %r", sent.username, sent.password)
        return validate(state, sent)

    run.monkeypatch.setattr(login_module, "_validate_password", log)


def show_secrets_of_the_config(run: Run) -> None:
    """Show every field of a dataclass."""
    run.monkeypatch.setattr(AuthConfig, "__repr__", lambda config: f"AuthConfig({config.secrets})")


def name_token_in_the_error(run: Run) -> None:
    """Quote a token that is rejected."""

    def verify(self: Tokens, token: str, use: str) -> t.NoReturn:
        raise self._invalid(f"{token!r} is not valid") from ValueError(token)

    run.monkeypatch.setattr(Tokens, "_verify", verify)


def print_store_url(run: Run) -> None:
    """Print a setting as it is."""
    run.monkeypatch.setattr(check, "_place", str)


def quote_encoded_password(run: Run) -> None:
    """Quote the password in an error, percent-encoded."""
    init = CoreClientError.__init__

    def init_with_password(error: CoreClientError, message: str, **values: t.Any) -> None:
        init(error, f"{message}: {quote(PASSWORD)}", **values)

    run.monkeypatch.setattr(CoreClientError, "__init__", init_with_password)


def keep_body_in_a_frame(run: Run) -> None:
    """Send the signals from a frame of the package that has the body in a variable."""
    code = """
def wrapped(signal, **values):
    body = request.get_data()
    send(signal, **values)
"""
    scope: dict[str, t.Any] = {"request": login_module.request, "send": login_module.send}
    exec(compile(code, login_module.__file__, "exec"), scope)
    run.monkeypatch.setattr(login_module, "send", scope["wrapped"])


def encode_secret_of_the_config(run: Run) -> None:
    """Show base64 of the secret, behind another text."""
    shown = base64.b64encode(b"x" + SECRET.encode()).decode()
    run.monkeypatch.setattr(AuthConfig, "__repr__", lambda config: shown)


LEAKS: dict[Callable[[Run], None], tuple[Callable[[Run], None], str]] = {
    log_password: (run_logins, "password, raw: log of flask_core_auth"),
    show_secrets_of_the_config: (run_cookies, "secret, raw: repr of AuthConfig"),
    name_token_in_the_error: (run_cookies, "raw: handled error"),
    print_store_url: (run_commands, "password of the store, percent-encoded: output of check"),
    quote_encoded_password: (run_client, "password, percent-encoded path: error of the client"),
    keep_body_in_a_frame: (run_logins, "password, JSON, quoted again: signal, body in wrapped()"),
    encode_secret_of_the_config: (run_cookies, "secret, base64: repr of AuthConfig"),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_leak_is_found(
    run: Run, leak: Callable[[Run], None], capfd: pytest.CaptureFixture[str], shown: Shown
) -> None:
    part, expected = LEAKS[leak]
    leak(run)
    before = len(shown.leaks)
    found = leaks_of(run, part, capfd)
    del shown.leaks[before:]  # of tokens, on purpose
    assert any(expected in place for place in found), found


@pytest.mark.parametrize("prefix", ["", "a", "ab"])
def test_every_encoding_is_found(prefix: str) -> None:
    secret = 'canary-"pä ss/ß%+1'
    texts = {
        "raw": secret,
        "JSON": json.dumps(prefix + secret),
        "JSON in bytes": repr(json.dumps(prefix + secret).encode()),
        "percent": quote(prefix + secret),
        "percent in lower case": quote(prefix + secret).lower(),
        "base64": base64.b64encode(f"{prefix}{secret}more".encode()).decode(),
        "base64url": base64.urlsafe_b64encode(f"{prefix}{secret}more".encode()).decode(),
    }
    for name, text in texts.items():
        evidence = Evidence()
        evidence.add(name, f"before {text} behind")
        assert evidence.leaks({"secret": secret}), name


# All other tests


def test_no_test_before_has_shown_a_secret(shown: Shown) -> None:
    assert shown.leaks == []


@pytest.mark.parametrize(
    "show",
    [
        lambda: logging.getLogger("flask_core_auth").debug("Validating %r", TEST_PASSWORD),
        lambda: AuthError(f"{forge(claims())} is not valid"),
        lambda: CoreClientError("rejected", details=(quote(TEST_PASSWORD),)),
        lambda: ConfigError([("API_AUTH_JWT_SECRET", f"must not be {TEST_SECRET}")]),
    ],
    ids=["log", "error", "details", "config"],
)
def test_secret_that_a_test_shows_is_found(shown: Shown, show: Callable[[], object]) -> None:
    before = len(shown.leaks)
    show()
    assert len(shown.leaks) > before
    del shown.leaks[before:]
