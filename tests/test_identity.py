"""Identities, their scopes, and ``current_identity``."""

from __future__ import annotations

import pytest
from flask_jwt_extended import get_jwt

from flask_core_auth import Identity, auth_required, current_identity
from flask_core_auth.identity import ANONYMOUS, intersect_scopes

from .apps import bearer
from .forge import claims, forge


def test_identity_has_defaults_and_is_frozen():
    identity = Identity("x", scopes=["edit", "edit"])
    assert (identity.subject, identity.idp, identity.authenticated) == ("x", "host", True)
    assert identity.scopes == frozenset(("edit",))
    assert identity.claims == {}
    with pytest.raises(AttributeError):
        identity.subject = "y"
    assert "secret" not in repr(Identity("x", claims={"password": "secret"}))


@pytest.mark.parametrize("scopes", ["admin", ""])
def test_string_is_rejected_as_scopes(scopes):
    with pytest.raises(TypeError, match="must be a collection of strings"):
        Identity("x", scopes=scopes)


@pytest.mark.parametrize("scope", ["two words", "", '"', "\\", "ä", "a\n", "\0", 5, None])
def test_invalid_scope_is_rejected(scope):
    with pytest.raises(ValueError, match="is no scope"):
        Identity("x", scopes=[scope])


@pytest.mark.parametrize("scope", ["edit", "process:read", "https://api/x", "*", "!#[]~"])
def test_valid_scope_is_accepted(scope):
    assert Identity("x", scopes=[scope]).has_scopes([scope])


def test_has_scopes_requires_every_scope():
    identity = Identity("x", scopes=["edit", "view"])
    assert identity.has_scopes([])
    assert identity.has_scopes(["edit"])
    assert identity.has_scopes(["edit", "view"])
    assert not identity.has_scopes(["edit", "other"])
    assert not identity.has_scopes(["*"])
    assert Identity("x", scopes=["*"]).has_scopes(["anything"])
    assert not ANONYMOUS.has_scopes(["edit"])
    assert not ANONYMOUS.authenticated


@pytest.mark.parametrize(
    ("granted", "allowed", "left"),
    [
        ("a b", "b c", "b"),
        ("a", "b", ""),
        ("*", "b c", "b c"),
        ("a b", "*", "a b"),
        ("*", "*", "*"),
        ("", "*", ""),
        ("*", "", ""),
    ],
)
def test_intersection_of_scopes_respects_every_scope(granted, allowed, left):
    assert intersect_scopes(frozenset(granted.split()), frozenset(allowed.split())) == frozenset(
        left.split()
    )


def test_current_identity_is_one_object_within_a_request(app):
    @app.get("/same")
    @auth_required
    def same():
        first = current_identity._get_current_object()
        assert first is current_identity._get_current_object()
        assert current_identity.has_scopes(["anything"])
        assert "claims" not in repr(first)
        return dict(current_identity.claims)

    token = claims(extra=[1])
    assert app.test_client().get("/same", headers=bearer(forge(token))).json == token


def test_current_identity_differs_between_requests(app):
    client = app.test_client()
    for subject in ("one", "two", "one"):
        headers = bearer(forge(claims(sub=subject)))
        assert client.get("/who", headers=headers).json["subject"] == subject
    assert client.get("/optional").json["subject"] is None


def test_current_identity_outside_a_protected_view_is_an_error(app):
    app.testing = True
    app.add_url_rule("/unprotected", "unprotected", lambda: current_identity.subject)
    with pytest.raises(RuntimeError, match="under @auth_required"):
        app.test_client().get("/unprotected", headers=bearer(forge(claims())))
    with app.app_context(), pytest.raises(RuntimeError, match="under @auth_required"):
        str(current_identity.subject)
    with pytest.raises(RuntimeError):
        str(current_identity.subject)


def test_current_identity_does_not_leak_into_the_next_request_in_a_shared_context(app):
    app.add_url_rule("/nobody", "nobody", lambda: f"{current_identity.subject}")
    app.config["PROPAGATE_EXCEPTIONS"] = True
    with app.app_context():  # pushed by hand: g outlives each request
        client = app.test_client()
        assert client.get("/who", headers=bearer(forge(claims()))).status_code == 200
        with pytest.raises(RuntimeError, match="current_identity is known only"):
            client.get("/nobody")


def test_claims_that_an_anonymous_view_adds_are_not_seen_by_the_next_request(app):
    @app.get("/collect")
    @auth_required(optional=True)
    def collect():
        before = {"identity": dict(current_identity.claims), "jwt": dict(get_jwt())}
        current_identity.claims["role"] = "admin"
        get_jwt()["role"] = "admin"
        return before

    client = app.test_client()
    for _ in range(2):
        assert client.get("/collect").json == {"identity": {}, "jwt": {}}


def test_each_request_in_a_shared_context_has_its_own_identity(app):
    with app.app_context():  # pushed by hand: g outlives each request
        client = app.test_client()
        for subject in ("one", "two"):
            headers = bearer(forge(claims(sub=subject)))
            assert client.get("/who", headers=headers).json["subject"] == subject
            assert client.get("/optional").json["subject"] is None
