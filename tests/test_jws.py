"""Compact tokens taken apart, and strict JSON."""

from __future__ import annotations

import json

import pytest

from flask_core_auth import jws

from .forge import encode

HEADER = encode({"alg": "HS256"}).decode()

#: The details that a client gets, by what is wrong with its token.
DETAILS = {
    "opaque": "The token is opaque",
    "encrypted": "The token is encrypted",
    "malformed": "The token is malformed",
    "extension": "The token asks for an extension",
    "larger": "The token is larger than 8192 bytes",
}

REPEATED = encode('{"alg":"HS256","alg":"HS256"}').decode()


@pytest.mark.parametrize(
    ("token", "what"),
    [
        ("", "opaque"),
        ("a.b", "opaque"),
        ("a.b.c.d", "opaque"),
        ("a.b.c.d.e", "encrypted"),
        ("..", "malformed"),
        ("ä.b.c", "malformed"),
        ("\ud800.b.c", "malformed"),
        ("!.b.c", "malformed"),
        (f"{HEADER}.x.c", "malformed"),  # the length of base64 is never 1 modulo 4
        (f"{HEADER}=.e30.c", "malformed"),
        (f"{HEADER}.e30=.c", "malformed"),
        (f"{encode('[]').decode()}.e30.c", "malformed"),
        (f"{encode('5').decode()}.e30.c", "malformed"),
        (f"{encode('{').decode()}.e30.c", "malformed"),
        (f"{encode(b'{}' + bytes([255])).decode()}.e30.c", "malformed"),
        (f"{REPEATED}.e30.c", "malformed"),
        (f"{encode('[' * 4000).decode()}.e30.c", "malformed"),
        (f"{encode({'alg': 'HS256', 'crit': ['exp']}).decode()}.e30.c", "extension"),
        (f"{encode({'alg': 'HS256', 'crit': []}).decode()}.e30.c", "extension"),
        (f"{encode({'alg': 'HS256', 'b64': False}).decode()}.e30.c", "extension"),
        (f"{encode({'alg': 'HS256', 'b64': True}).decode()}.e30.c", "extension"),
        ("x" * 8193, "larger"),
    ],
    ids=range(22),
)
def test_malformed_token_is_rejected_with_the_reason(token, what):
    with pytest.raises(jws.MalformedTokenError) as raised:
        jws.parse(token)
    assert str(raised.value) == DETAILS[what]


def test_representation_of_a_parsed_token_shows_only_its_header():
    assert repr(jws.parse(f"{HEADER}.e30.c")) == "ParsedToken(header={'alg': 'HS256'})"


def test_token_of_the_maximum_size_is_parsed():
    start = f"{HEADER}.e30."
    token = start + "A" * (jws.MAX_TOKEN_BYTES - len(start))
    assert jws.parse(token).payload == b"{}"
    with pytest.raises(jws.MalformedTokenError, match="8192"):
        jws.parse(token + "A")


@pytest.mark.parametrize(
    "text",
    [
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": -Infinity}',
        '{"a": 1, "a": 1}',
        '{"b": {"a": 1, "a": 1}}',
        "[]",
        "null",
        '"text"',
        "",
        "{} {}",
        '\ufeff{"a": 1}',
        '{"a": ' + "1" * 5000 + "}",
    ],
    ids=range(12),
)
def test_malformed_or_ambiguous_json_is_rejected(text):
    with pytest.raises(ValueError):  # noqa: PT011
        jws.load_object(text.encode())


@pytest.mark.parametrize("data", [b"\xff", '{"a": 1}'.encode("utf-16"), b'{"a": "\xe4"}'])
def test_json_that_is_not_utf_8_is_rejected(data):
    with pytest.raises(ValueError):  # noqa: PT011
        jws.load_object(data)


def test_json_object_is_loaded():
    value = {"a": [1, {"b": None}], "ä": 1.5}
    assert jws.load_object(json.dumps(value).encode()) == value


@pytest.mark.parametrize("value", [0, 1, 1.5, -1, 2**53 - 1])
def test_exact_number_is_a_time(value):
    assert jws.is_time(value)


@pytest.mark.parametrize(
    "value", [True, False, None, "1", [], {}, 2**53, -(2**53), 10**400, float("inf"), float("nan")]
)
def test_other_values_are_not_times(value):
    assert not jws.is_time(value)
