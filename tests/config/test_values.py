"""The values of single settings: booleans, seconds, texts, secrets, limits and URLs."""

from __future__ import annotations

import json
import sys
from datetime import timedelta

import pytest

from ..forge import OTHER_SECRET
from .reading import problems, read_config

BOOLEANS = [
    ("API_AUTH_ENABLE", "enable"),
    ("API_AUTH_DISABLE_LOCALHOST", "disable_localhost"),
    ("API_AUTH_COOKIES", "cookies"),
    ("API_AUTH_OPENAPI", "openapi"),
]

SECONDS = [
    ("API_AUTH_JWT_ACCESS_EXPIRES", "access_expires"),
    ("API_AUTH_JWT_REFRESH_EXPIRES", "refresh_expires"),
    ("API_AUTH_SESSION_MAX_AGE", "session_max_age"),
    ("API_AUTH_REFRESH_GRACE", "refresh_grace"),
]

# Booleans and seconds


@pytest.mark.parametrize(("key", "name"), BOOLEANS)
@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (True, True),
        ("true", True),
        ("True", True),
        ("1", True),
        ("yes", True),
        ("on", True),
        (False, False),
        ("false", False),
        ("FALSE", False),
        ("0", False),
        ("no", False),
        (" off ", False),
    ],
)
def test_boolean_may_be_native_or_a_string(key, name, value, meant):
    assert getattr(read_config(**{key: value}), name) is meant


@pytest.mark.parametrize("key", [key for key, _ in BOOLEANS] + ["API_AUTH_AUTH0_ENABLE"])
@pytest.mark.parametrize("value", ["perhaps", "2", 1, 0, [], 1.0])
def test_invalid_boolean_is_rejected(key, value):
    assert problems(**{key: value}) == {key: f"must be true or false, not {value!r}"}


@pytest.mark.parametrize(("key", "name"), SECONDS)
@pytest.mark.parametrize(
    "value", [90, "90", " 90 ", "90\x1f", timedelta(seconds=90), timedelta(minutes=1.5)]
)
def test_seconds_may_be_a_number_a_string_or_a_timedelta(key, name, value):
    assert getattr(read_config(**{key: value}), name) == 90


@pytest.mark.parametrize("key", [key for key, _ in SECONDS if key != "API_AUTH_REFRESH_GRACE"])
@pytest.mark.parametrize("value", [0, "0", timedelta()])
def test_zero_seconds_are_rejected(key, value):
    assert "from 1 second to 10 years" in problems(**{key: value})[key]


@pytest.mark.parametrize("grace", [0, "0"])
def test_grace_may_be_zero(grace):
    assert read_config(API_AUTH_REFRESH_GRACE=grace).refresh_grace == 0
    assert "API_AUTH_REFRESH_GRACE" in problems(API_AUTH_REFRESH_GRACE=False)


@pytest.mark.parametrize("key", [key for key, _ in SECONDS])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (-5, "from 1 second to 10 years"),
        (timedelta(days=-1), "from 1 second to 10 years"),
        (timedelta(days=4000), "from 1 second to 10 years"),
        (10**12, "from 1 second to 10 years"),
        ("-5", "must be a number of seconds or a timedelta"),
        ("10 minutes", "must be a number of seconds or a timedelta"),
        ("1e3", "must be a number of seconds or a timedelta"),
        ("٣", "must be a number of seconds or a timedelta"),
        (1.5, "must be a number of seconds or a timedelta"),
        (float("inf"), "must be a number of seconds or a timedelta"),
        (True, "must be a number of seconds or a timedelta"),
        (False, "must be a number of seconds or a timedelta"),
        ([600], "must be a number of seconds or a timedelta"),
        (timedelta(milliseconds=500), "must be whole seconds"),
    ],
)
def test_invalid_seconds_are_rejected(key, value, words):
    [(named, problem)] = problems(**{key: value}).items()
    assert named == key
    assert words in problem


# Texts and secrets


@pytest.mark.parametrize("key", ["API_AUTH_USERNAME", "API_AUTH_PASSWORD", "API_AUTH_JWT_SECRET"])
@pytest.mark.parametrize("value", [100000.0, True, 12345, ["x"]])
def test_text_that_was_parsed_as_json_is_rejected_with_the_reason(key, value):
    config = {"API_AUTH_USERNAME": "admin", "API_AUTH_PASSWORD": "x", key: value}
    [(named, problem)] = problems(**config).items()
    assert named == key
    assert f"must be a string, not {type(value).__name__}" in problem
    assert "from_prefixed_env()" in problem
    assert "load_env()" in problem
    assert str(value) not in problem.replace("true a boolean", "")


def test_text_that_is_not_unicode_is_rejected():
    assert problems(API_AUTH_USERNAME="\ud800", API_AUTH_PASSWORD="x") == {
        "API_AUTH_USERNAME": "is not valid Unicode"
    }


@pytest.mark.parametrize("realm", ['a"b', "a\\b", "ä", "a\nb", "a\r\nSet-Cookie: x", "\x7f"])
def test_realm_that_a_header_cannot_quote_is_rejected(realm):
    assert problems(API_AUTH_REALM=realm) == {
        "API_AUTH_REALM": "must be printable ASCII without quotes and backslashes"
    }
    assert read_config(API_AUTH_REALM="datarhei-core").realm == "datarhei-core"
    assert read_config(API_AUTH_REALM="My API (v1)!").realm == "My API (v1)!"


@pytest.mark.parametrize(
    ("secret", "enough"),
    [("x" * 31, False), ("x" * 32, True), ("ä" * 15 + "x", False), ("ä" * 16, True), ("🐴" * 8, True)],
)
def test_secret_needs_32_bytes(secret, enough):
    for config in (
        {"API_AUTH_JWT_SECRET": secret},
        {"API_AUTH_JWT_SECRET": ..., "JWT_SECRET_KEY": secret},
        {"API_AUTH_JWT_SECRET_FALLBACKS": [secret]},
    ):
        if enough:
            assert secret in read_config(**config).secrets
            continue
        [problem] = problems(**config).values()
        assert "is shorter than 32 bytes" in problem
        assert "secrets.token_urlsafe" in problem
        assert secret not in problem


def test_secret_in_bytes_is_rejected():
    problem = problems(API_AUTH_JWT_SECRET=b"bytes of a secret that is long enough")["API_AUTH_JWT_SECRET"]
    assert problem == "must be a string, not bytes: decode() it"


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOC\n-----END CERTIFICATE-----",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ and so on",
    ],
)
def test_public_key_is_rejected_as_a_secret(secret):
    assert problems(API_AUTH_JWT_SECRET=secret) == {
        "API_AUTH_JWT_SECRET": "is a public key or a certificate, not a secret"
    }


@pytest.mark.parametrize(
    "value", [OTHER_SECRET, "[", '["', {"a": "b"}, 5, [5], [None], f"{OTHER_SECRET},x"]
)
def test_invalid_fallbacks_are_rejected(value):
    [(key, problem)] = problems(API_AUTH_JWT_SECRET_FALLBACKS=value).items()
    assert key == "API_AUTH_JWT_SECRET_FALLBACKS"
    assert "list of secrets" in problem or "must be a string" in problem
    assert OTHER_SECRET not in problem


# The limit on failed logins


@pytest.mark.parametrize("value", ["10/minute", "1 per second", "5/minute; 100/day", "3/15minutes"])
def test_login_limit_is_accepted(value):
    assert read_config(API_AUTH_LOGIN_LIMIT=value).login_limit == value


@pytest.mark.parametrize("value", [None, "none", "None", " NONE "])
def test_login_limit_may_be_none(value):
    assert read_config(API_AUTH_LOGIN_LIMIT=value).login_limit is None


@pytest.mark.parametrize("value", ["ten a minute", "10", "0", "10/fortnight", "-1/minute"])
def test_invalid_login_limit_is_rejected(value):
    assert problems(API_AUTH_LOGIN_LIMIT=value) == {
        "API_AUTH_LOGIN_LIMIT": f'must be such as "10/minute", or None, not {value!r}'
    }
    assert "must be a string, not int" in problems(API_AUTH_LOGIN_LIMIT=10)["API_AUTH_LOGIN_LIMIT"]


@pytest.mark.parametrize("limit", ["0/minute", "1/99999999999999 year", "10/minute;0/hour"])
def test_login_limit_of_zero_or_without_end_is_rejected(limit):
    assert "10/minute" in problems(API_AUTH_LOGIN_LIMIT=limit)["API_AUTH_LOGIN_LIMIT"]


@pytest.mark.parametrize(
    "value",
    [
        "memory://",
        "redis://localhost:6379/1",
        "rediss://x:y@host",
        "redis+unix:///tmp/x",
        "memcached://a:1,b:2",
    ],
)
def test_limit_storage_is_accepted_without_a_connection(value):
    assert read_config(API_AUTH_LIMIT_STORAGE=value).limit_storage == value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("redis", "must be a URI with one of the schemes memory, redis, "),
        ("localhost:6379", "must be a URI with one of the schemes memory, redis, "),
        ("async+memory://", "must be a URI with one of the schemes memory, redis, "),
        ("redis+cluster://localhost:1", "must be a URI with one of the schemes memory, redis, "),
        ("mongodb://localhost", "must be a URI with one of the schemes memory, redis, "),
        ("redis://:hidden/word@localhost:6379", "is not a valid URI (in a password, / is written as %2F"),
        ("redis://:hidden#word@localhost:6379", "is not a valid URI"),
        ("redis://:hidden[word@localhost:6379", "is not a valid URI"),
        ("redis://:hidden@localhost:port", "is not a valid URI"),
        ("memcached://:hidden@localhost:port", "is not a valid URI"),
    ],
    ids=range(10),
)
def test_invalid_limit_storage_is_rejected_without_showing_its_password(value, words):
    [(key, problem)] = problems(API_AUTH_LIMIT_STORAGE=value).items()
    assert key == "API_AUTH_LIMIT_STORAGE"
    assert words in problem
    assert "hidden" not in problem
    assert "'hid" not in problem


def test_limit_storage_without_its_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    [problem] = problems(API_AUTH_LIMIT_STORAGE="redis://:hidden@localhost").values()
    assert "pip install 'flask-core-auth[redis]'" in problem
    assert "hidden" not in problem


# About and sessions


def test_about_may_be_native_or_json():
    about = {"app": "x", "version": {"number": "1.2.3"}, "more": [1]}
    assert read_config(API_AUTH_ABOUT=about).about == about
    assert read_config(API_AUTH_ABOUT=json.dumps(about)).about == about
    assert read_config(API_AUTH_ABOUT={}).about == {}
    assert read_config(API_AUTH_ABOUT={"version": None}).about == {"version": None}


@pytest.mark.parametrize(
    "value", ["x", "[]", [], 5, {"version": "16.16.0"}, {"version": {}}, {"version": {"number": 16}}]
)
def test_invalid_about_is_rejected(value):
    [(key, problem)] = problems(API_AUTH_ABOUT=value).items()
    assert key == "API_AUTH_ABOUT"
    assert "mapping" in problem


def test_sessions_must_be_a_url():
    for url in ("sqlite:///core-auth.db", "postgresql+psycopg://host/db", "redis://localhost"):
        assert read_config(API_AUTH_SESSIONS=url).sessions == url
    problem = problems(API_AUTH_SESSIONS="my-password")["API_AUTH_SESSIONS"]
    assert "must be a SQLAlchemy URL, such as sqlite:///core-auth.db, or redis://" in problem
    assert "my-password" not in problem
