"""Stored passwords: plain text and hashes."""

from __future__ import annotations

import importlib.util
import sys

import pytest
from argon2 import PasswordHasher
from flask import Flask
from werkzeug.security import generate_password_hash

from flask_core_auth import ConfigError
from flask_core_auth.passwords import StoredPassword

from .apps import post_login

PASSWORDS = ["correct horse", "pässwörd", "пароль 🐴", "$2b$", "scrypt", "a" * 1000, " "]


def login_status(app: Flask, password: str) -> int:
    return post_login(app, password=password).status_code


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize(
    "store",
    [
        lambda password: password,
        lambda password: generate_password_hash(password, "scrypt:1024:8:1"),
        lambda password: generate_password_hash(password, "pbkdf2:sha256:10"),
        lambda password: generate_password_hash(password, "pbkdf2:sha512:10"),
        lambda password: PasswordHasher(time_cost=1, memory_cost=64).hash(password),
    ],
    ids=["plain", "scrypt", "pbkdf2", "pbkdf2-sha512", "argon2"],
)
def test_password_logs_in_however_it_is_stored(make_app, store, password):
    app = make_app(API_AUTH_PASSWORD=store(password))
    assert login_status(app, password) == 200
    assert login_status(app, password + "x") == 403
    assert login_status(app, store(password) + " ") == 403


def test_stored_hash_does_not_log_in(make_app):
    stored = generate_password_hash("correct horse", "pbkdf2:sha256:10")
    assert login_status(make_app(API_AUTH_PASSWORD=stored), stored) == 403


@pytest.mark.parametrize("method", ["scrypt", "pbkdf2"])
def test_default_hashes_of_werkzeug_are_accepted(make_app, method):
    assert login_status(make_app(API_AUTH_PASSWORD=generate_password_hash("x", method)), "x") == 200


def test_default_hash_of_argon2_is_accepted(make_app):
    assert login_status(make_app(API_AUTH_PASSWORD=PasswordHasher().hash("x")), "x") == 200


UNUSABLE = [
    "scrypt:",
    "scrypt:x",
    "scrypt:1024:8:1",
    "scrypt:1024:8:1$salt",
    "scrypt:1024:8:1$salt$",
    "scrypt:1024:8:1$$ab",
    "scrypt:1024:8:1$salt$NOHEX",
    "scrypt:1024:8:1$salt$ab\n",
    "scrypt:1024:8$salt$ab",
    "scrypt:1023:8:1$salt$ab",
    "scrypt:0:8:1$salt$ab",
    "scrypt:-2:8:1$salt$ab",
    "scrypt:1:8:1$salt$ab",
    "scrypt:2:8:1$salt$ab",  # needs more memory than Werkzeug allows OpenSSL
    "scrypt:65536:1:1$salt$ab",  # RFC 7914, 6: N is less than 2^(128 r / 8)
    "scrypt:1024:0:1$salt$ab",
    "scrypt:1024:8:0$salt$ab",
    "scrypt:1024:8:-1$salt$ab",
    "scrypt:1073741824:8:1$salt$ab",
    "scrypt:a:b:c$salt$ab",
    "pbkdf2:sha256$salt$ab",
    "pbkdf2:sha256:0$salt$ab",
    "pbkdf2:sha256:-1$salt$ab",
    "pbkdf2:sha256:x$salt$ab",
    "pbkdf2:sha256:10:10$salt$ab",
    "pbkdf2:nodigest:10$salt$ab",
    "pbkdf2:shake_128:10$salt$ab",
    "pbkdf2:sha256:99999999999999$salt$ab",
    "pbkdf2:sha256:10000001$salt$ab",
    "$argon2",
    "$argon2id$",
    "$argon2x$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
    "$argon2id$v=19$m=64,t=1$c2FsdHNhbHQ$aGFzaA",
    "$argon2id$v=19$m=4,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
    "$argon2id$v=19$m=64,t=0,p=1$c2FsdHNhbHQ$aGFzaA",
    "$argon2id$v=19$m=64,t=1,p=0$c2FsdHNhbHQ$aGFzaA",
    "$argon2id$v=19$m=999999999,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
    "$argon2id$v=19$m=64,t=999999999,p=1$c2FsdHNhbHQ$aGFzaA",
]


@pytest.mark.parametrize("stored", UNUSABLE)
def test_malformed_hash_is_a_config_error_that_does_not_show_it(make_app, stored):
    for config in (
        {"API_AUTH_PASSWORD": stored},
        {"API_AUTH_USERS": {"bob": {"password": stored}}},
    ):
        with pytest.raises(ConfigError) as caught:
            make_app(**config)
        [(key, problem)] = caught.value.problems
        assert key in config
        assert "hash" in problem
        # The prefix may be shown, the salt and the hash may not.
        assert "$salt" not in problem
        assert "c2FsdHNhbHQ" not in problem


def test_argon2_hash_with_a_broken_tail_rejects_every_password(make_app):
    app = make_app(API_AUTH_PASSWORD="$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$!!!")
    assert login_status(app, "x") == 403


def test_argon2_hash_without_the_extra_is_a_config_error(make_app, monkeypatch):
    stored = PasswordHasher(time_cost=1, memory_cost=64).hash("x")
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *args: None if name == "argon2" else found(name, *args)
    )
    monkeypatch.setitem(sys.modules, "argon2", None)
    with pytest.raises(ConfigError, match=r"API_AUTH_PASSWORD: .*pip install 'flask-core-auth\[argon2\]'"):
        make_app(API_AUTH_PASSWORD=stored)
    assert login_status(make_app(API_AUTH_PASSWORD="x"), "x") == 200


def test_repr_does_not_show_a_stored_password():
    assert "horse" not in repr(StoredPassword.parse("correct horse"))
    stored = generate_password_hash("x", "pbkdf2:sha256:10")
    assert stored.rpartition("$")[2] not in repr(StoredPassword.parse(stored))


def test_method_of_a_stored_password_includes_its_costs():
    def method(text):
        return StoredPassword.parse(text).method

    assert method("x") == method("another") == "plain"
    one, two = (generate_password_hash(word, "pbkdf2:sha256:10") for word in ("one", "two"))
    assert method(one) == method(two) == "pbkdf2:sha256:10"
    assert method(PasswordHasher(time_cost=1, memory_cost=64).hash("x")) == "$argon2id$v=19$m=64,t=1,p=4"
