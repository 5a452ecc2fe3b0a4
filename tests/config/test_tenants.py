"""Auth0 tenants in the config: every form, and the https rule."""

from __future__ import annotations

import base64
import dataclasses
import json

import pytest
from flask import Flask

from flask_core_auth import ConfigError

from ..tenant import EXAMPLE
from .reading import problems, read_config, tenant_settings


def test_tenant_may_be_a_mapping():
    [found] = read_config(**tenant_settings()).tenants
    assert dataclasses.asdict(found) == {
        "domain": "tenant.example",
        "audience": "api",
        "clientid": "client",
        "users": {"auth0|alice"},
        "issuer": "https://tenant.example/",
        "jwks_uri": "https://tenant.example/.well-known/jwks.json",
        "algorithms": {"RS256"},
        "scopes": set(),
    }
    assert found.admits("auth0|alice")
    assert not found.admits("auth0|2")
    assert not found.admits("*")


def test_tenant_may_be_another_openid_provider():
    [found] = read_config(
        **tenant_settings(
            issuer="https://sso.example/realms/x",
            jwks_uri="https://sso.example/realms/x/certs",
            algorithms=["ES256", "EdDSA"],
            scopes=["edit"],
            users=["*"],
        )
    ).tenants
    assert found.issuer == "https://sso.example/realms/x"
    assert found.jwks_uri == "https://sso.example/realms/x/certs"
    assert found.algorithms == {"ES256", "EdDSA"}
    assert found.scopes == {"edit"}
    assert found.admits("anybody")


def test_tenant_without_users_admits_nobody():
    for users in ([], None, ...):
        [found] = read_config(**tenant_settings(users=users)).tenants
        assert not found.admits("auth0|alice")


def in_base64(element) -> str:
    return base64.b64encode(json.dumps(element).encode()).decode()


@pytest.mark.parametrize(
    "value",
    [
        [EXAMPLE],
        (EXAMPLE,),
        json.dumps([EXAMPLE]),
        " " + json.dumps([EXAMPLE]),
        "auth0://client@tenant.example?aud=api&user=auth0|alice",
        "auth0://client@tenant.example?aud=api&user=auth0%7Calice",
        " auth0://client@tenant.example?aud=api&user=auth0|alice , ",
        ["auth0://client@tenant.example?aud=api&user=auth0|alice"],
        in_base64(EXAMPLE),
        [in_base64(EXAMPLE)],
        json.dumps([in_base64(EXAMPLE)]),
    ],
    ids=range(11),
)
def test_every_form_of_a_tenant_is_the_same_tenant(value):
    assert read_config(API_AUTH_AUTH0_ENABLE="true", API_AUTH_AUTH0_TENANTS=value) == read_config(
        **tenant_settings()
    )


def test_list_of_a_core_may_mix_its_forms():
    value = ",".join(
        (
            "auth0://cl%40ient@one.example:8443?aud=https%3A%2F%2Fapi%2F%3Fx&user=auth0%7Calice&user=google%7C2",
            in_base64({**EXAMPLE, "domain": "two.example"}),
        )
    )
    one, two = read_config(API_AUTH_AUTH0_ENABLE=True, API_AUTH_AUTH0_TENANTS=value).tenants
    assert (one.domain, one.clientid, one.audience) == ("one.example:8443", "cl@ient", "https://api/?x")
    assert one.users == {"auth0|alice", "google|2"}
    assert one.issuer == "https://one.example:8443/"
    assert one.jwks_uri == "https://one.example:8443/.well-known/jwks.json"
    assert two.domain == "two.example"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (5, "must be a list of tenants"),
        ({"domain": "x"}, "must be a list of tenants"),
        ("[", "must be JSON, which it is not"),
        ('{"domain": "x"}', "must be a list of tenants"),
        ([5], "tenant 1: must be a mapping with domain, audience, clientid and users"),
        ([EXAMPLE, None], "tenant 2: must be a mapping"),
        (["https://tenant.example"], "tenant 1: must be auth0://CLIENTID@DOMAIN?aud=AUDIENCE&user=SUBJECT"),
        ("tenant.example", "tenant 1: must be auth0://CLIENTID@DOMAIN?aud=AUDIENCE&user=SUBJECT"),
        ("ä", "tenant 1: must be auth0://CLIENTID@DOMAIN?aud=AUDIENCE&user=SUBJECT"),
        (in_base64([]), "tenant 1: holds no JSON object"),
        (base64.b64encode(b"{").decode(), "tenant 1: must be auth0://"),
        (base64.b64encode(b"[" * 100000).decode(), "tenant 1: must be auth0://"),
        (base64.b64encode(b"\xff").decode(), "tenant 1: must be auth0://"),
        ("auth0://x@[::1?aud=y", "tenant 1: is not a valid URL"),
        ("auth0://client@?aud=api", "tenant 1: domain must be a host name"),
        ("auth0://client@tenant.example", "tenant.example: audience is missing"),
        ([EXAMPLE, EXAMPLE], "has two tenants with the domain 'tenant.example'"),
        (
            [EXAMPLE, {**EXAMPLE, "domain": "other.example", "issuer": "https://tenant.example/"}],
            "has two tenants with the issuer 'https://tenant.example/'",
        ),
    ],
    ids=range(18),
)
def test_invalid_tenants_are_rejected(value, words):
    found = problems(API_AUTH_AUTH0_ENABLE=True, API_AUTH_AUTH0_TENANTS=value)
    assert list(found) == ["API_AUTH_AUTH0_TENANTS"]
    assert words in found["API_AUTH_AUTH0_TENANTS"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"domain": ...}, "domain must be a host name without scheme and path"),
        ({"domain": "https://tenant.example/"}, "domain must be a host name without scheme and path"),
        ({"domain": "tenant.example/path"}, "domain must be a host name without scheme and path"),
        ({"domain": "user@tenant.example"}, "domain must be a host name without scheme and path"),
        ({"domain": 5}, "tenant 1: domain must be a string, not 5"),
        ({"domain": "tenant.example:99999"}, "tenant.example:99999: jwks_uri is not a valid URL"),
        ({"audience": ...}, "audience is missing: the identifier of your API"),
        ({"audience": ["api"]}, "audience must be a string"),
        ({"clientid": "api"}, "audience and clientid are the same, so that ID tokens would pass"),
        ({"users": "auth0|alice"}, "tenant.example: users must be a list of strings"),
        ({"users": [5]}, "tenant.example: users must be a list of strings"),
        ({"users": [""]}, "tenant.example: users must be a list of strings"),
        ({"user": ["auth0|alice"]}, "has user, which is unknown; it may have domain, audience"),
        ({"algorithms": ["HS256"]}, "algorithms may be ES256"),
        ({"algorithms": ["RS256", "none"]}, "not none"),
        ({"algorithms": "RS256"}, "algorithms must be a list of strings"),
        ({"scopes": ["*"]}, "scopes must be named one by one"),
        ({"scopes": ["a b"]}, "'a b' is no scope"),
        ({"issuer": "http://tenant.example/"}, "issuer must use https"),
        ({"jwks_uri": "http://tenant.example/"}, "jwks_uri must use https"),
        ({"jwks_uri": "ftp://tenant.example/"}, "jwks_uri must use https"),
        ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri is not a valid URL"),
        ({"jwks_uri": "tenant.example"}, "jwks_uri is not a valid URL"),
        ({"jwks_uri": "https://"}, "jwks_uri is not a valid URL"),
        ({"jwks_uri": "https://[bad"}, "jwks_uri is not a valid URL"),
        ({"jwks_uri": "https://tenant.example:x/"}, "jwks_uri is not a valid URL"),
        ({"jwks_uri": "http://localhost/"}, "uses http, which is for loopback in debug or testing only"),
    ],
    ids=range(27),
)
def test_invalid_value_of_a_tenant_is_rejected(changes, words):
    found = problems(**tenant_settings(**changes))
    assert list(found) == ["API_AUTH_AUTH0_TENANTS"]
    assert words in found["API_AUTH_AUTH0_TENANTS"]


@pytest.mark.parametrize("flag", ["debug", "testing"])
@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("127.0.0.1:8080", True),
        ("[::1]:8080", True),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("192.168.0.1", False),
    ],
)
def test_http_is_allowed_only_for_loopback_in_debug_or_testing(flag, host, local):
    config = tenant_settings(issuer=f"http://{host}/", jwks_uri=f"http://{host}/jwks.json")
    app = Flask(__name__)
    setattr(app, flag, True)
    if local:
        assert read_config(app, **config).tenants
    else:
        assert "must use https" in problems(app, **config)["API_AUTH_AUTH0_TENANTS"]


def test_tenants_are_ignored_unless_enabled():
    assert read_config(API_AUTH_AUTH0_TENANTS=[EXAMPLE]).tenants == ()
    assert problems(API_AUTH_AUTH0_ENABLE=True) == {
        "API_AUTH_AUTH0_TENANTS": "names no tenant, but API_AUTH_AUTH0_ENABLE is true"
    }


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
