"""Run the code blocks of docs/auth0.md, and check its claims."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from unittest import mock

from flask import Flask
from joserfc import jwt
from joserfc.jwk import RSAKey

from flask_core_auth import CoreAuth, auth_required, current_identity, load_env
from flask_core_auth.config import AuthConfig
from flask_core_auth.validators import jwks

from .blocks import Page

KEY = RSAKey.generate_key(2048, {"kid": "key", "use": "sig"})


def log_in(tenant, header=None, key=KEY, **claims):
    """Log in with a token that the tenant has issued."""
    app = Flask(__name__)
    app.config.update(
        API_AUTH_AUTH0_ENABLE=True,
        API_AUTH_AUTH0_TENANTS=[tenant],
        API_AUTH_JWT_SECRET="made-with-flask-core-auth-generate-secret",
        API_AUTH_LOGIN_LIMIT=None,
    )
    app.register_blueprint(CoreAuth())
    app.get("/me")(auth_required(lambda: [current_identity.idp, *sorted(current_identity.scopes)]))
    payload = {"iat": int(time.time()), "exp": int(time.time()) + 600, **claims}
    payload = {name: value for name, value in payload.items() if value is not None}
    header = {"alg": "RS256", "kid": "key", "typ": "JWT", **(header or {})}
    token = jwt.encode(
        {name: value for name, value in header.items() if value}, payload, key, ["RS256", "PS256"]
    )
    asked = []

    def read(fetch):
        asked.append(fetch.jwks_uri)
        return jwks.parse_keys([KEY.as_dict(private=False)])

    client = app.test_client()
    with mock.patch.object(jwks.Fetch, "read", read):
        response = client.post("/api/login", headers={"Authorization": f"Bearer {token}"})
    if response.status_code != 200:
        return response.json["details"][0]
    me = client.get("/me", headers={"Authorization": f"Bearer {response.json['access_token']}"})
    return [*asked, *me.json]


def test_login_with_an_auth0_token(page: Page) -> None:
    page.run("app.py")
    source = Path("app.py").read_text()
    Path("app.py").write_text(
        "from flask_core_auth.testing import FakeTenant\n"
        "tenant = FakeTenant('example.eu.auth0.com', audience='https://api.example.com/',\n"
        "    clientid='k3Yb7Rp2example', users=['auth0|64f1c2d3e4f5'])\n"
        "serving = tenant.serving()\n"
        "serving.__enter__()\n"
        "open('token', 'w').write(tenant.token())\n" + source
    )
    page.run("check", "run")
    os.environ["AUTH0_TOKEN"] = Path("token").read_text()
    page.run("log-in", "protected-route", "rejected")
    response = "{" + page.output.rpartition("\n{")[2]
    page.run("encrypted-token")
    assert json.loads(response) == json.loads(page.code)


def test_forms_of_the_variable_for_tenants_are_equal(page: Page) -> None:
    page.run("tenant-url")

    def tenants(value):
        app = Flask(__name__)
        environ = {
            "CORE_API_AUTH_AUTH0_ENABLE": "true",
            "CORE_API_AUTH_AUTH0_TENANTS": value,
            "CORE_API_AUTH_JWT_SECRET": "made-with-flask-core-auth-generate-secret",
        }
        load_env(app.config, environ=environ)
        return AuthConfig.from_app(app).tenants

    (by_url,) = tenants(page.code.split("'")[1])
    assert (by_url.domain, by_url.audience) == ("example.eu.auth0.com", "https://api.example.com/")
    assert (by_url.clientid, by_url.users) == ("k3Yb7Rp2example", {"auth0|64f1c2d3e4f5"})
    page.run("tenant-json")
    assert tenants(page.code.split("'")[1]) == (by_url,)


def test_scopes_are_taken_over_by_name(page: Page) -> None:
    page.run("scopes")
    auth0 = {
        "iss": "https://example.eu.auth0.com/",
        "aud": "https://api.example.com/",
        "sub": "auth0|1",
        "scope": "openid metrics:read",
        "permissions": ["metrics:write", "*"],
    }
    keys_at = "https://example.eu.auth0.com/.well-known/jwks.json"
    tenant = eval(page.code)
    assert log_in(tenant, **auth0) == [keys_at, "example.eu.auth0.com", "metrics:read"]
    rfc9068 = {**auth0, "client_id": "client"}
    for client, outcome in (("client", list), ("other", str)):
        assert isinstance(
            log_in({**tenant, "clientid": client}, header={"typ": "at+jwt"}, **rfc9068), outcome
        )
    by_permission = {**tenant, "scopes": ["metrics:write"]}
    assert log_in(by_permission, **auth0) == [keys_at, "example.eu.auth0.com", "metrics:write"]


def test_settings_fit_tokens_of_keycloak(page: Page) -> None:
    page.run("keycloak")
    alice = "0b0a5a52-5f3c-4f57-9d4e-6d6f0f2f3c11"
    keycloak = {
        "iss": "https://id.example.com/realms/main",
        "aud": ["my-api", "account"],
        "azp": "my-frontend",
        "sub": alice,
        "typ": "Bearer",
        "scope": "openid email profile",
    }
    tenant = eval(page.code)
    assert log_in(tenant, **keycloak) == [tenant["jwks_uri"], "id.example.com"]
    assert log_in(tenant, **{**keycloak, "aud": "account"}) == "The token is for another audience (aud)"


def test_settings_fit_tokens_of_zitadel(page: Page) -> None:
    page.run("zitadel")
    zitadel = {
        "iss": "https://example.zitadel.cloud",
        "aud": ["344374183645478916", "344374183645413380"],
        "client_id": "344374183645478916",
        "sub": "345377791925026818",
    }
    tenant = eval(page.code)
    assert log_in(tenant, **zitadel) == [tenant["jwks_uri"], "example.zitadel.cloud"]


def test_settings_fit_tokens_of_entra(page: Page) -> None:
    page.run("entra")
    entra = {
        "iss": "https://login.microsoftonline.com/6f2c7d10-0000-4000-8000-2b1f6f6f0001/v2.0",
        "aud": "b5a2c9e4-0000-4000-8000-2b1f6f6f0002",
        "azp": "c7d1e0f2-0000-4000-8000-2b1f6f6f0003",
        "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
        "scp": "metrics:read",
        "ver": "2.0",
    }
    tenant = eval(page.code)
    assert log_in(tenant, **entra) == [tenant["jwks_uri"], "example.onmicrosoft.com"]
    assert log_in({**tenant, "scopes": ["metrics:read"]}, **entra)[1:] == ["example.onmicrosoft.com"]
    by_appid = {**entra, "azp": None, "appid": entra["azp"]}
    assert log_in(tenant, **by_appid) == "The token was issued to another client (azp)"


def test_details_of_a_403_are_listed_in_order(page: Page) -> None:
    tenant = {
        "domain": "example.eu.auth0.com",
        "audience": "https://api.example.com/",
        "clientid": "client",
        "users": ["auth0|1"],
    }
    good = {
        "iss": "https://example.eu.auth0.com/",
        "aud": ["https://api.example.com/", "https://example.eu.auth0.com/userinfo"],
        "azp": "client",
        "sub": "auth0|1",
    }
    assert isinstance(log_in(tenant, **good), list)
    now = time.time()
    rejected = [
        log_in(tenant, **{**good, "iss": "https://other.example/"}),
        log_in(tenant, header={"alg": "PS256"}, **good),
        log_in(tenant, header={"kid": None}, **good),
        log_in(tenant, header={"kid": "other"}, **good),
        log_in(tenant, key=RSAKey.generate_key(2048), **good),
        log_in(tenant, **{**good, "aud": None}),
        log_in(tenant, **{**good, "aud": "client"}),
        log_in(tenant, **good, exp=None),
        log_in(tenant, **good, exp=now - 11),
        log_in(tenant, **good, nbf=now + 120),
        log_in(tenant, **good, iat=now + 120),
        log_in(tenant, **{**good, "azp": "other"}),
        log_in(tenant, header={"typ": "dpop+jwt"}, **good),
        log_in(tenant, **{**good, "sub": None}),
        log_in(tenant, **{**good, "sub": "auth0|2"}),
    ]
    listed = page.text.partition("| detail |")[2].partition("\n\n")[0].splitlines()[2:]
    assert rejected == [row.split(" | ")[0].removeprefix("| ") for row in listed]
