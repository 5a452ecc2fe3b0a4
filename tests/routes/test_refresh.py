"""``GET <prefix>/login/refresh``, as the wire contract has it."""

from __future__ import annotations

from ..apps import bearer, refresh
from ..forge import read


def test_refresh_returns_an_access_token_that_no_cache_may_store(app, login):
    response = refresh(app, login["refresh_token"])
    assert response.status_code == 200
    assert set(response.json) == {"access_token"}
    assert response.headers["Cache-Control"] == "no-store"
    who = app.test_client().get("/who", headers=bearer(response.json["access_token"]))
    assert (who.json["subject"], who.json["idp"], who.json["scopes"]) == ("admin", "local", ["*"])


def test_refresh_does_not_allow_head(client, login):
    response = client.head("/api/login/refresh", headers=bearer(login["refresh_token"]))
    assert response.status_code == 405
    assert set(response.allow) == {"GET", "OPTIONS"}


def test_refreshed_token_is_not_fresh(app, login):
    assert app.test_client().get("/fresh", headers=bearer(login["access_token"])).status_code == 200
    token = refresh(app, login["refresh_token"]).json["access_token"]
    assert read(token)["fresh"] is False
    response = app.test_client().get("/fresh", headers=bearer(token))
    assert response.status_code == 401


def test_refresh_without_a_token_gets_a_challenge_without_an_error(client):
    response = client.get("/api/login/refresh")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="flask-core-auth"'


def test_access_token_does_not_refresh(app, login):
    response = refresh(app, login["access_token"])
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="flask-core-auth", error="invalid_token"'


def test_expired_refresh_token_gets_a_401_that_says_so(app, login, clock):
    clock.move(86400 + 1)
    response = refresh(app, login["refresh_token"])
    assert response.status_code == 401
    assert response.json["details"] == ["Expired JWT token"]
