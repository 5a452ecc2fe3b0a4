"""Local users in the config."""

from __future__ import annotations

import pytest

from .reading import problems, read_config


def test_local_user_has_every_scope():
    config = read_config(API_AUTH_USERNAME="admin", API_AUTH_PASSWORD="x")
    assert config.users["admin"].scopes == {"*"}


def test_username_and_password_need_each_other():
    assert problems(API_AUTH_USERNAME="admin") == {
        "API_AUTH_PASSWORD": "is not set, but API_AUTH_USERNAME is"
    }
    assert problems(API_AUTH_PASSWORD="x") == {"API_AUTH_USERNAME": "is not set, but API_AUTH_PASSWORD is"}


def test_username_with_nul_is_rejected():
    assert "API_AUTH_USERNAME" in problems(API_AUTH_USERNAME="a\0b", API_AUTH_PASSWORD="x")


@pytest.mark.parametrize(
    "stored", ["$2b$12$abcdefghijklmnopqrstuv", "$6$salt$hash", "$1$salt$hash", "$apr1$s$h"]
)
def test_password_hash_of_an_unknown_kind_is_rejected(stored):
    problem = problems(API_AUTH_USERNAME="admin", API_AUTH_PASSWORD=stored)["API_AUTH_PASSWORD"]
    assert "hash-password" in problem


@pytest.mark.parametrize(
    "value",
    [
        {"bob": {"password": "builder", "scopes": ["edit", "view"]}, "eve": {"password": "x"}},
        '{"bob": {"password": "builder", "scopes": "edit view"}, "eve": {"password": "x", "scopes": []}}',
    ],
    ids=["native", "string"],
)
def test_users_may_be_native_or_json(value):
    users = read_config(API_AUTH_USERS=value).users
    assert {name: user.scopes for name, user in users.items()} == {"bob": {"edit", "view"}, "eve": set()}
    assert users["bob"].password.matches("builder")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("bob", "must be JSON, which it is not"),
        ("[" * 100000, "must be JSON, which it is not"),
        ("[]", "must be a mapping of"),
        (["bob"], "must be a mapping of"),
        (5, "must be a mapping of"),
        ({"bob": "builder"}, 'bob: must be a mapping with a "password"'),
        ({"bob": {}}, 'bob: must be a mapping with a "password"'),
        ({"bob": {"password": ""}}, 'bob: must be a mapping with a "password"'),
        ({"bob": {"password": None}}, 'bob: must be a mapping with a "password"'),
        ({"bob": {"password": 12345}}, "bob: must be a string, not int"),
        ({"bob": {"password": "x", "scope": "edit"}}, "bob: has scope, which is unknown"),
        ({"bob": {"password": "x", "scopes": "ä"}}, "bob: 'ä' is no scope"),
        ({"bob": {"password": "x", "scopes": ["two words"]}}, "bob: 'two words' is no scope"),
        ({"bob": {"password": "x", "scopes": [5]}}, "bob: scopes must be a list of strings"),
        ({"bob": {"password": "x", "scopes": 5}}, "bob: scopes must be a list of strings"),
        ({5: {"password": "x"}}, "a username that is empty or not a string"),
        ({"": {"password": "x"}}, "a username that is empty or not a string"),
        ({"a\0b": {"password": "x"}}, "a username that is empty or not a string"),
    ],
    ids=range(18),
)
def test_invalid_users_are_rejected(value, words):
    [(key, problem)] = problems(API_AUTH_USERS=value).items()
    assert key == "API_AUTH_USERS"
    assert words in problem
    assert "builder" not in problem


def test_user_may_be_named_only_once():
    found = problems(
        API_AUTH_USERNAME="bob", API_AUTH_PASSWORD="x", API_AUTH_USERS={"bob": {"password": "y"}}
    )
    assert found == {"API_AUTH_USERS": "names 'bob', which API_AUTH_USERNAME names already"}
