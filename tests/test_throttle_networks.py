"""Spellings of a username, and the networks of an IPv6 address, share the limit on failed logins."""

from __future__ import annotations

import logging

import pytest

from .apps import post_login


def attempt(app, username: str = "admin", address: str = "203.0.113.5") -> int:
    return post_login(app, username, "wrong", environ_overrides={"REMOTE_ADDR": address}).status_code


@pytest.mark.parametrize(
    "spellings",
    [
        ["admin", "ADMIN", "Admin", "aDMIN"],
        ["admin", "\uff41\uff44\uff4d\uff49\uff4e", "ADMIN", "\u24d0\u24d3\u24dc\u24d8\u24dd"],
        ["admin", " admin", "admin\t", "ad\u200bmin"],
        ["stra\u00dfe", "STRASSE", "strasse", "Stra\u00dfe"],
    ],
)
def test_spellings_of_one_name_share_its_limit(make_app, spellings):
    app = make_app(API_AUTH_LOGIN_LIMIT="3/minute")
    assert [attempt(app, username) for username in spellings] == [403, 403, 403, 429]


def test_addresses_of_one_48_share_a_limit(make_app):
    app = make_app(API_AUTH_LOGIN_LIMIT="1/minute")
    # 25 failures in all: five times as many as for one /64, which has five times as many as one name.
    statuses = [attempt(app, f"user{n}", f"2001:db8:1:{n:x}::1") for n in range(26)]
    assert statuses == [403] * 25 + [429]
    assert attempt(app, "other", "2001:db8:2::1") == 403


def test_addresses_of_one_64_share_a_limit(make_app):
    app = make_app(API_AUTH_LOGIN_LIMIT="1/minute")
    statuses = [attempt(app, f"user{n}", f"2001:db8:1:1::{n:x}") for n in range(1, 7)]
    assert statuses == [403] * 5 + [429]


def test_missing_client_address_is_logged_once(make_app, caplog):
    app = make_app()
    for _ in range(3):
        post_login(app, environ_overrides={"REMOTE_ADDR": ""})
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "no client address" in record.getMessage()


def test_client_address_is_not_missed_without_a_limit(make_app, caplog):
    post_login(make_app(API_AUTH_LOGIN_LIMIT=None), environ_overrides={"REMOTE_ADDR": ""})
    assert not caplog.records
