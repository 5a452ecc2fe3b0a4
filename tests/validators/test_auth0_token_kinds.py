"""Tokens of a tenant that are no plain access tokens: bound to a key, ID tokens, security events."""

from __future__ import annotations

import pytest

from ..forge import bearer
from ..tenant import AUDIENCE

DETAILS = {
    "cnf": "The token is bound to a key (cnf): request a bearer token without DPoP or mTLS",
    "token_use": "The token is no access token (token_use)",
    "typ": "The token is no access token (the claim typ is not Bearer)",
    "events": "The token is a security event token (events), no access token",
}


@pytest.fixture
def tenant_app(make_app, tenant):
    return make_app(
        API_AUTH_AUTH0_ENABLE=True,
        API_AUTH_AUTH0_TENANTS=[
            {
                "domain": tenant.domain,
                "audience": AUDIENCE,
                "users": ["auth0|alice"],
                "issuer": tenant.issuer,
                "jwks_uri": tenant.jwks_uri,
            }
        ],
    )


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}, "cnf"),
        ({"cnf": {"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}}, "cnf"),
        ({"cnf": None}, "cnf"),
        ({"token_use": "id"}, "token_use"),
        ({"token_use": "Access"}, "token_use"),
        ({"token_use": None}, "token_use"),
        ({"typ": "ID"}, "typ"),
        ({"typ": "Refresh"}, "typ"),
        ({"typ": "Logout"}, "typ"),
        ({"typ": None}, "typ"),
        ({"typ": ["Bearer"]}, "typ"),
        ({"events": {}}, "events"),
    ],
)
def test_login_rejects_a_token_that_is_no_plain_access_token(tenant_app, tenant, claims, why):
    response = tenant_app.test_client().post("/api/login", headers=bearer(tenant.token(**claims)))
    assert response.status_code == 403
    assert response.json["details"] == [DETAILS[why]]


@pytest.mark.parametrize("claims", [{"token_use": "access"}, {"typ": "Bearer"}, {"typ": "bearer"}])
def test_login_accepts_a_token_that_says_it_is_an_access_token(tenant_app, tenant, claims):
    response = tenant_app.test_client().post("/api/login", headers=bearer(tenant.token(**claims)))
    assert response.status_code == 200, response.json
