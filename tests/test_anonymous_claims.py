"""Claims of anonymous requests are not shared between requests."""

from __future__ import annotations

from flask_jwt_extended import get_jwt

from flask_core_auth import auth_required, current_identity


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
