"""ActiveTokens: when new tokens are due, and when both have expired."""

from __future__ import annotations

import base64
import json
import math
import typing as t

import pytest

from flask_core_auth.client.tokens import ActiveTokens, is_bearer


def token(**claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{payload}.c2ln"


@pytest.mark.parametrize(
    ("claims", "due_at"),
    [
        ({"exi": 600}, 1570),
        ({"exi": 600, "exp": 5, "iat": 1}, 1570),
        ({"exi": 100}, 1090),
        ({"exi": 1}, 1000.9),
        ({"exi": 0.5}, 1000.45),
        ({"exp": 5600, "iat": 5000}, 1570),
        ({"exi": "600", "exp": 5600, "iat": 5000}, 1570),
        ({"exi": True, "exp": 5600, "iat": 5000}, 1570),
        ({"exp": 5600}, math.inf),
        ({"exi": 0}, math.inf),
        ({"exi": -5}, math.inf),
        ({"exp": 1, "iat": 5}, math.inf),
        ({"exi": 1e300}, math.inf),
        ({"exi": 10**400}, math.inf),
        ({"exi": math.nan}, math.inf),
        ({"exi": math.inf}, math.inf),
        ({"exi": None, "exp": [], "iat": {}}, math.inf),
        ({}, math.inf),
    ],
)
def test_received_tokens_are_due_by_their_stated_lifetime(claims: dict[str, t.Any], due_at: float) -> None:
    tokens = ActiveTokens.received(token(**claims), "refresh", now=1000)

    assert tokens.due_at == pytest.approx(due_at)
    if due_at < math.inf:
        assert not tokens.due(due_at - 0.01)
        assert tokens.due(due_at + 0.01)


@pytest.mark.parametrize(
    "opaque",
    ["opaque", "a.b", "a.b.c.d.e", "a.!.c", "a..c", "e30.W10.c2ln", "e30.Ii.c2ln", "x." + "WyJ" * 9 + ".y"],
)
def test_opaque_tokens_are_never_due(opaque: str) -> None:
    assert ActiveTokens.received(opaque, "refresh", now=0).due_at == math.inf
    assert ActiveTokens.resumed(opaque, "refresh", now=0, wall=0).due_at == math.inf


def test_deeply_nested_claims_are_ignored() -> None:
    payload = base64.urlsafe_b64encode(b"[" * 100_000).decode().rstrip("=")

    assert ActiveTokens.received(f"e30.{payload}.c2ln", "", now=0).due_at == math.inf


def test_resumed_tokens_are_due_by_the_wall_clock() -> None:
    tokens = ActiveTokens.resumed(token(exi=600, exp=9100), "refresh", now=1000, wall=9000)

    assert tokens.due_at == 1070
    assert not tokens.expired(1000, 9000)


def test_resumed_access_token_alone_is_never_due() -> None:
    assert not ActiveTokens.resumed(token(exi=600, exp=1), "", now=1000, wall=9000).due(1000)


@pytest.mark.parametrize(
    ("access", "refresh", "expired"),
    [
        ("", "", True),
        (token(exp=9500), "", False),
        (token(exp=8000), "", False),
        (token(exp=9500), token(exp=8000), False),
        (token(exp=8000), token(exp=9500), False),
        (token(exp=8000), token(exp=8000), True),
        (token(exp=8000), "opaque", False),
        ("", token(exp=9500), False),
        ("", token(exp=8000), True),
        ("", "opaque", False),
        ("opaque", "", False),
    ],
)
def test_tokens_are_expired_if_both_are_missing_or_expired(
    access: str, refresh: str, expired: bool
) -> None:
    assert ActiveTokens.resumed(access, refresh, now=1000, wall=9000).expired(1000, 9000) is expired


@pytest.mark.parametrize("value", ["a", "a.b.c", "A-Z_~+/09.==", "x" * 9000])
def test_bearer_tokens_are_recognised(value: str) -> None:
    assert is_bearer(value)


@pytest.mark.parametrize(
    "value", ["", "a b", "a\n", "\na", "a\x00", "ä", "a=b", "a,b", None, 1, b"a", ["a"]]
)
def test_other_values_are_no_bearer_tokens(value: object) -> None:
    assert not is_bearer(value)
