"""Domains that a tenant must not have."""

from __future__ import annotations

import pytest

from flask_core_auth import ConfigError


@pytest.mark.parametrize("domain", ["local", "host", "Local", "HOST"])
def test_tenant_must_not_have_the_name_of_a_local_identity_provider(make_app, domain):
    tenant = {"domain": domain, "audience": "api", "users": ["*"]}
    with pytest.raises(ConfigError, match=f"tenant 1: domain must not be '{domain}'"):
        make_app(API_AUTH_AUTH0_ENABLE=True, API_AUTH_AUTH0_TENANTS=[tenant])


def test_two_tenants_must_not_differ_only_in_the_case_of_their_domains(make_app):
    tenants = [
        {"domain": domain, "audience": "api", "users": ["*"]} for domain in ("a.example", "A.example")
    ]
    with pytest.raises(ConfigError, match="TENANTS: has two tenants with the domain"):
        make_app(API_AUTH_AUTH0_ENABLE=True, API_AUTH_AUTH0_TENANTS=tenants)
