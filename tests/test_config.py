from __future__ import annotations

import base64
import dataclasses
import json
import sys
from datetime import timedelta

import pytest
from flask import Flask

from flask_core_auth import ConfigError, CoreAuth, load_env
from flask_core_auth.config import SETTINGS, AuthConfig

from .forge import OTHER_SECRET, SECRET

TENANT = {"domain": "tenant.example", "audience": "api", "clientid": "client", "users": ["auth0|1"]}


def read(app: Flask | None = None, **config) -> AuthConfig:
    """The settings that a config gives; ``...`` leaves a key out."""
    app = app or Flask(__name__)
    config = {"API_AUTH_JWT_SECRET": SECRET, **config}
    app.config.update({key: value for key, value in config.items() if value is not ...})
    return AuthConfig.from_app(app)


def problems(app: Flask | None = None, **config) -> dict[str, str]:
    """What is wrong with a config, by key."""
    with pytest.raises(ConfigError) as caught:
        read(app, **config)
    return dict(caught.value.problems)


def tenant(**changes) -> dict[str, object]:
    """The settings for one tenant that differs from the good one."""
    element = {key: value for key, value in {**TENANT, **changes}.items() if value is not ...}
    return {"API_AUTH_AUTH0_ENABLE": True, "API_AUTH_AUTH0_TENANTS": [element]}


def test_the_defaults():
    assert dataclasses.asdict(read()) == {
        "enable": True,
        "disable_localhost": False,
        "users": {},
        "secrets": (SECRET,),
        "access_expires": 600,
        "refresh_expires": 86400,
        "realm": "flask-core-auth",
        "tenants": (),
        "about": None,
        "login_limit": "10/minute",
        "limit_storage": "memory://",
        "sessions": None,
        "session_check": "refresh",
        "session_max_age": 30 * 86400,
        "refresh_rotation": False,
        "refresh_grace": 10,
        "cookies": False,
        "openapi": False,
    }


BOOLEANS = [
    ("API_AUTH_ENABLE", "enable"),
    ("API_AUTH_DISABLE_LOCALHOST", "disable_localhost"),
    ("API_AUTH_COOKIES", "cookies"),
    ("API_AUTH_OPENAPI", "openapi"),
]
SECONDS = [
    ("API_AUTH_JWT_ACCESS_EXPIRES", "access_expires"),
    ("API_AUTH_JWT_REFRESH_EXPIRES", "refresh_expires"),
    ("API_AUTH_SESSION_MAX_AGE", "session_max_age"),
    ("API_AUTH_REFRESH_GRACE", "refresh_grace"),
]


@pytest.mark.parametrize(("key", "name"), BOOLEANS)
@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (True, True),
        ("true", True),
        ("True", True),
        ("1", True),
        ("yes", True),
        ("on", True),
        (False, False),
        ("false", False),
        ("FALSE", False),
        ("0", False),
        ("no", False),
        (" off ", False),
    ],
)
def test_booleans_natively_and_as_strings(key, name, value, meant):
    assert getattr(read(**{key: value}), name) is meant


@pytest.mark.parametrize("key", [key for key, _ in BOOLEANS] + ["API_AUTH_AUTH0_ENABLE"])
@pytest.mark.parametrize("value", ["perhaps", "2", 1, 0, [], 1.0])
def test_what_is_no_boolean_says_what_it_may_be(key, value):
    assert problems(**{key: value}) == {key: f"must be true or false, not {value!r}"}


@pytest.mark.parametrize(("key", "name"), SECONDS)
@pytest.mark.parametrize("value", [90, "90", " 90 ", timedelta(seconds=90), timedelta(minutes=1.5)])
def test_seconds_natively_and_as_strings(key, name, value):
    assert getattr(read(**{key: value}), name) == 90


@pytest.mark.parametrize("key", [key for key, _ in SECONDS if key != "API_AUTH_REFRESH_GRACE"])
@pytest.mark.parametrize("value", [0, "0", timedelta()])
def test_no_time_at_all_is_refused(key, value):
    assert "from 1 second to 10 years" in problems(**{key: value})[key]


@pytest.mark.parametrize("key", [key for key, _ in SECONDS])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (-5, "from 1 second to 10 years"),
        (timedelta(days=-1), "from 1 second to 10 years"),
        (timedelta(days=4000), "from 1 second to 10 years"),
        (10**12, "from 1 second to 10 years"),
        ("-5", "must be a number of seconds or a timedelta"),
        ("10 minutes", "must be a number of seconds or a timedelta"),
        ("1e3", "must be a number of seconds or a timedelta"),
        ("٣", "must be a number of seconds or a timedelta"),
        (1.5, "must be a number of seconds or a timedelta"),
        (float("inf"), "must be a number of seconds or a timedelta"),
        (True, "must be a number of seconds or a timedelta"),
        (False, "must be a number of seconds or a timedelta"),
        ([600], "must be a number of seconds or a timedelta"),
        (timedelta(milliseconds=500), "must be whole seconds"),
    ],
)
def test_what_is_no_number_of_seconds_says_what_it_may_be(key, value, words):
    [(named, problem)] = problems(**{key: value}).items()
    assert named == key
    assert words in problem


def test_an_empty_string_and_none_count_as_not_set():
    empty = {setting.key: "" for setting in SETTINGS if setting.key != "API_AUTH_JWT_SECRET"}
    assert read(**empty) == read()
    none = dict.fromkeys(empty)
    assert read(**none) == dataclasses.replace(read(), login_limit=None)


# The secret


def test_jwt_secret_key_is_taken_where_ours_is_not_set():
    assert read(API_AUTH_JWT_SECRET=..., JWT_SECRET_KEY=SECRET).secrets == (SECRET,)
    assert read(JWT_SECRET_KEY=OTHER_SECRET).secrets == (SECRET,)


def test_secret_key_is_never_used():
    found = problems(API_AUTH_JWT_SECRET=..., SECRET_KEY=SECRET)
    assert list(found) == ["API_AUTH_JWT_SECRET"]
    assert "SECRET_KEY is never used" in found["API_AUTH_JWT_SECRET"]
    assert "secrets.token_urlsafe" in found["API_AUTH_JWT_SECRET"]


@pytest.mark.parametrize(
    ("secret", "enough"),
    [("x" * 31, False), ("x" * 32, True), ("ä" * 15 + "x", False), ("ä" * 16, True), ("🐴" * 8, True)],
)
def test_a_secret_has_32_bytes(secret, enough):
    for config in (
        {"API_AUTH_JWT_SECRET": secret},
        {"API_AUTH_JWT_SECRET": ..., "JWT_SECRET_KEY": secret},
        {"API_AUTH_JWT_SECRET_FALLBACKS": [secret]},
    ):
        if enough:
            assert secret in read(**config).secrets
            continue
        [problem] = problems(**config).values()
        assert "is shorter than 32 bytes" in problem
        assert "secrets.token_urlsafe" in problem
        assert secret not in problem


def test_a_secret_that_is_taken_from_jwt_secret_key_is_called_so():
    found = problems(API_AUTH_JWT_SECRET=..., JWT_SECRET_KEY="short")
    assert found["API_AUTH_JWT_SECRET"].startswith("is taken from JWT_SECRET_KEY, which is shorter")


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOC\n-----END CERTIFICATE-----",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ and so on",
    ],
)
def test_a_public_key_is_no_secret(secret):
    assert problems(API_AUTH_JWT_SECRET=secret) == {
        "API_AUTH_JWT_SECRET": "is a public key or a certificate, not a secret"
    }


def test_fallbacks_follow_the_secret():
    third = "x" * 32
    for value in ([OTHER_SECRET, third], (OTHER_SECRET, third), json.dumps([OTHER_SECRET, third])):
        assert read(API_AUTH_JWT_SECRET_FALLBACKS=value).secrets == (SECRET, OTHER_SECRET, third)


@pytest.mark.parametrize(
    "value", [OTHER_SECRET, "[", '["', {"a": "b"}, 5, [5], [None], f"{OTHER_SECRET},x"]
)
def test_fallbacks_are_a_list(value):
    [(key, problem)] = problems(API_AUTH_JWT_SECRET_FALLBACKS=value).items()
    assert key == "API_AUTH_JWT_SECRET_FALLBACKS"
    assert "list of secrets" in problem or "must be a string" in problem
    assert OTHER_SECRET not in problem


def test_no_secret_is_needed_where_everything_is_open_and_nobody_can_log_in():
    one, two = (read(API_AUTH_JWT_SECRET=..., API_AUTH_ENABLE=False) for _ in range(2))
    assert len(one.secrets[0]) >= 32
    assert one.secrets != two.secrets  # nothing that anybody could know


@pytest.mark.parametrize(
    "config",
    [
        {"API_AUTH_USERNAME": "admin", "API_AUTH_PASSWORD": "x"},
        {"API_AUTH_USERS": {"bob": {"password": "x"}}},
        tenant(),
    ],
)
def test_a_secret_is_needed_as_soon_as_somebody_can_log_in(config):
    found = problems(API_AUTH_JWT_SECRET=..., API_AUTH_ENABLE=False, **config)
    assert list(found) == ["API_AUTH_JWT_SECRET"]


# Users


def test_the_local_user_has_every_scope():
    config = read(API_AUTH_USERNAME="admin", API_AUTH_PASSWORD="x")
    assert config.users["admin"].scopes == {"*"}


def test_username_and_password_need_each_other():
    assert problems(API_AUTH_USERNAME="admin") == {
        "API_AUTH_PASSWORD": "is not set, but API_AUTH_USERNAME is"
    }
    assert problems(API_AUTH_PASSWORD="x") == {"API_AUTH_USERNAME": "is not set, but API_AUTH_PASSWORD is"}


@pytest.mark.parametrize(
    "value",
    [
        {"bob": {"password": "builder", "scopes": ["edit", "view"]}, "eve": {"password": "x"}},
        '{"bob": {"password": "builder", "scopes": "edit view"}, "eve": {"password": "x", "scopes": []}}',
    ],
    ids=["native", "string"],
)
def test_users_natively_and_as_json(value):
    users = read(API_AUTH_USERS=value).users
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
        ({5: {"password": "x"}}, "a user name that is no string, or empty"),
        ({"": {"password": "x"}}, "a user name that is no string, or empty"),
        ({"a\0b": {"password": "x"}}, "a user name that is no string, or empty"),
    ],
    ids=range(18),
)
def test_unusable_users_say_what_is_wrong(value, words):
    [(key, problem)] = problems(API_AUTH_USERS=value).items()
    assert key == "API_AUTH_USERS"
    assert words in problem
    assert "builder" not in problem


def test_a_user_is_named_once():
    found = problems(
        API_AUTH_USERNAME="bob", API_AUTH_PASSWORD="x", API_AUTH_USERS={"bob": {"password": "y"}}
    )
    assert found == {"API_AUTH_USERS": "names 'bob', which API_AUTH_USERNAME names already"}


# Texts, and Flask's reading of the environment


@pytest.mark.parametrize("key", ["API_AUTH_USERNAME", "API_AUTH_PASSWORD", "API_AUTH_JWT_SECRET"])
@pytest.mark.parametrize("value", [100000.0, True, 12345, ["x"]])
def test_a_text_that_was_read_as_json_says_why(key, value):
    config = {"API_AUTH_USERNAME": "admin", "API_AUTH_PASSWORD": "x", key: value}
    [(named, problem)] = problems(**config).items()
    assert named == key
    assert f"must be a string, not {type(value).__name__}" in problem
    assert "from_prefixed_env()" in problem
    assert "load_env()" in problem
    assert str(value) not in problem.replace("true a boolean", "")


def test_a_secret_in_bytes_is_to_be_decoded():
    problem = problems(API_AUTH_JWT_SECRET=b"bytes of a secret that is long enough")["API_AUTH_JWT_SECRET"]
    assert problem == "must be a string, not bytes: decode() it"


def test_a_user_name_must_fit_into_a_token():
    assert "API_AUTH_USERNAME" in problems(API_AUTH_USERNAME="a\0b", API_AUTH_PASSWORD="x")


@pytest.mark.parametrize("limit", ["0/minute", "1/99999999999999 year", "10/minute;0/hour"])
def test_a_limit_that_admits_nothing_or_never_ends_is_refused(limit):
    assert "10/minute" in problems(API_AUTH_LOGIN_LIMIT=limit)["API_AUTH_LOGIN_LIMIT"]


@pytest.mark.parametrize("grace", [0, "0"])
def test_a_grace_of_none_is_possible(grace):
    assert read(API_AUTH_REFRESH_GRACE=grace).refresh_grace == 0
    assert "API_AUTH_REFRESH_GRACE" in problems(API_AUTH_REFRESH_GRACE=False)


@pytest.mark.parametrize(
    "stored", ["$2b$12$abcdefghijklmnopqrstuv", "$6$salt$hash", "$1$salt$hash", "$apr1$s$h"]
)
def test_a_hash_of_another_kind_is_not_taken_for_a_password(stored):
    problem = problems(API_AUTH_USERNAME="admin", API_AUTH_PASSWORD=stored)["API_AUTH_PASSWORD"]
    assert "hash-password" in problem


def test_a_misspelt_key_is_named_at_the_start(make_app, caplog):
    make_app(API_AUTH_PASSWROD="x", API_AUTH_SOMETHING=1)
    assert "API_AUTH_PASSWROD is no setting: API_AUTH_PASSWORD is meant, perhaps" in caplog.text
    assert "API_AUTH_SOMETHING is no setting" in caplog.text


def test_from_prefixed_env_reads_a_password_as_a_number(monkeypatch):
    monkeypatch.setenv("CORE_API_AUTH_USERNAME", "admin")
    monkeypatch.setenv("CORE_API_AUTH_PASSWORD", "1e5")
    app = Flask(__name__)
    app.config.from_prefixed_env("CORE")
    assert "must be a string, not float" in problems(app)["API_AUTH_PASSWORD"]


def test_from_prefixed_env_works_for_the_rest(monkeypatch):
    monkeypatch.setenv("CORE_API_AUTH_USERNAME", "admin")
    monkeypatch.setenv("CORE_API_AUTH_PASSWORD", '"1e5"')  # quoted twice
    monkeypatch.setenv("CORE_API_AUTH_JWT_ACCESS_EXPIRES", "60")
    monkeypatch.setenv("CORE_API_AUTH_DISABLE_LOCALHOST", "true")
    monkeypatch.setenv("CORE_API_AUTH_AUTH0_ENABLE", "true")
    monkeypatch.setenv("CORE_API_AUTH_AUTH0_TENANTS", json.dumps([TENANT]))
    app = Flask(__name__)
    app.config.from_prefixed_env("CORE")
    config = read(app)
    assert config.users["admin"].password.matches("1e5")
    assert (config.access_expires, config.disable_localhost) == (60, True)
    assert config.tenants[0].domain == "tenant.example"


def test_a_text_that_is_no_unicode_is_refused():
    assert problems(API_AUTH_USERNAME="\ud800", API_AUTH_PASSWORD="x") == {
        "API_AUTH_USERNAME": "is not valid Unicode"
    }


@pytest.mark.parametrize("realm", ['a"b', "a\\b", "ä", "a\nb", "a\r\nSet-Cookie: x", "\x7f"])
def test_a_realm_is_what_a_header_can_quote(realm):
    assert problems(API_AUTH_REALM=realm) == {
        "API_AUTH_REALM": "must be printable ASCII without quotes and backslashes"
    }
    assert read(API_AUTH_REALM="datarhei-core").realm == "datarhei-core"
    assert read(API_AUTH_REALM="My API (v1)!").realm == "My API (v1)!"


# Tenants


def test_a_tenant_natively():
    [found] = read(**tenant()).tenants
    assert dataclasses.asdict(found) == {
        "domain": "tenant.example",
        "audience": "api",
        "clientid": "client",
        "users": {"auth0|1"},
        "issuer": "https://tenant.example/",
        "jwks_uri": "https://tenant.example/.well-known/jwks.json",
        "algorithms": {"RS256"},
        "scopes": set(),
    }
    assert found.admits("auth0|1")
    assert not found.admits("auth0|2")
    assert not found.admits("*")


def test_another_openid_provider():
    [found] = read(
        **tenant(
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


def test_an_empty_list_of_users_admits_nobody():
    for users in ([], None, ...):
        [found] = read(**tenant(users=users)).tenants
        assert not found.admits("auth0|1")


def in_base64(element) -> str:
    return base64.b64encode(json.dumps(element).encode()).decode()


@pytest.mark.parametrize(
    "value",
    [
        [TENANT],
        (TENANT,),
        json.dumps([TENANT]),
        " " + json.dumps([TENANT]),
        "auth0://client@tenant.example?aud=api&user=auth0|1",
        "auth0://client@tenant.example?aud=api&user=auth0%7C1",
        " auth0://client@tenant.example?aud=api&user=auth0|1 , ",
        ["auth0://client@tenant.example?aud=api&user=auth0|1"],
        in_base64(TENANT),
        [in_base64(TENANT)],
        json.dumps([in_base64(TENANT)]),
    ],
    ids=range(11),
)
def test_every_form_of_a_tenant_is_the_same_tenant(value):
    assert read(API_AUTH_AUTH0_ENABLE="true", API_AUTH_AUTH0_TENANTS=value) == read(**tenant())


def test_the_core_s_list_mixes_its_forms():
    value = ",".join(
        (
            "auth0://cl%40ient@one.example:8443?aud=https%3A%2F%2Fapi%2F%3Fx&user=auth0%7C1&user=google%7C2",
            in_base64({**TENANT, "domain": "two.example"}),
        )
    )
    one, two = read(API_AUTH_AUTH0_ENABLE=True, API_AUTH_AUTH0_TENANTS=value).tenants
    assert (one.domain, one.clientid, one.audience) == ("one.example:8443", "cl@ient", "https://api/?x")
    assert one.users == {"auth0|1", "google|2"}
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
        ([TENANT, None], "tenant 2: must be a mapping"),
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
        ([TENANT, TENANT], "has two tenants with the domain 'tenant.example'"),
        (
            [TENANT, {**TENANT, "domain": "other.example", "issuer": "https://tenant.example/"}],
            "has two tenants with the issuer 'https://tenant.example/'",
        ),
    ],
    ids=range(18),
)
def test_unusable_tenants_say_what_is_wrong(value, words):
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
        ({"users": "auth0|1"}, "tenant.example: users must be a list of strings"),
        ({"users": [5]}, "tenant.example: users must be a list of strings"),
        ({"users": [""]}, "tenant.example: users must be a list of strings"),
        ({"user": ["auth0|1"]}, "has user, which is unknown; it may have domain, audience"),
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
def test_an_unusable_tenant_says_what_is_wrong_with_it(changes, words):
    found = problems(**tenant(**changes))
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
def test_http_is_for_loopback_in_debug_or_testing(flag, host, local):
    config = tenant(issuer=f"http://{host}/", jwks_uri=f"http://{host}/jwks.json")
    app = Flask(__name__)
    setattr(app, flag, True)
    if local:
        assert read(app, **config).tenants
    else:
        assert "must use https" in problems(app, **config)["API_AUTH_AUTH0_TENANTS"]


def test_tenants_count_only_where_they_are_enabled():
    assert read(API_AUTH_AUTH0_TENANTS=[TENANT]).tenants == ()
    assert problems(API_AUTH_AUTH0_ENABLE=True) == {
        "API_AUTH_AUTH0_TENANTS": "names no tenant, but API_AUTH_AUTH0_ENABLE is true"
    }


# The rest


def test_about_natively_and_as_json():
    about = {"app": "x", "version": {"number": "1.2.3"}, "more": [1]}
    assert read(API_AUTH_ABOUT=about).about == about
    assert read(API_AUTH_ABOUT=json.dumps(about)).about == about
    assert read(API_AUTH_ABOUT={}).about == {}
    assert read(API_AUTH_ABOUT={"version": None}).about == {"version": None}


@pytest.mark.parametrize(
    "value", ["x", "[]", [], 5, {"version": "16.16.0"}, {"version": {}}, {"version": {"number": 16}}]
)
def test_an_unusable_about_says_what_is_wrong(value):
    [(key, problem)] = problems(API_AUTH_ABOUT=value).items()
    assert key == "API_AUTH_ABOUT"
    assert "mapping" in problem


@pytest.mark.parametrize("value", ["10/minute", "1 per second", "5/minute; 100/day", "3/15minutes"])
def test_a_login_limit(value):
    assert read(API_AUTH_LOGIN_LIMIT=value).login_limit == value


@pytest.mark.parametrize("value", [None, "none", "None", " NONE "])
def test_no_login_limit(value):
    assert read(API_AUTH_LOGIN_LIMIT=value).login_limit is None


@pytest.mark.parametrize("value", ["ten a minute", "10", "0", "10/fortnight", "-1/minute"])
def test_an_unusable_login_limit_says_what_it_may_be(value):
    assert problems(API_AUTH_LOGIN_LIMIT=value) == {
        "API_AUTH_LOGIN_LIMIT": f'must be such as "10/minute", or None, not {value!r}'
    }
    assert "must be a string, not int" in problems(API_AUTH_LOGIN_LIMIT=10)["API_AUTH_LOGIN_LIMIT"]


@pytest.mark.parametrize(
    "value",
    [
        "memory://",
        "redis://localhost:6379/1",
        "rediss://x:y@host",
        "redis+unix:///tmp/x",
        "memcached://a:1,b:2",
    ],
)
def test_a_limit_storage_is_not_connected_to(value):
    assert read(API_AUTH_LIMIT_STORAGE=value).limit_storage == value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("redis", "must be a URI with one of the schemes memory, redis, "),
        ("localhost:6379", "must be a URI with one of the schemes memory, redis, "),
        ("async+memory://", "must be a URI with one of the schemes memory, redis, "),
        ("redis+cluster://localhost:1", "must be a URI with one of the schemes memory, redis, "),
        ("mongodb://localhost", "must be a URI with one of the schemes memory, redis, "),
        ("redis://:hidden/word@localhost:6379", "is not a valid URI (in a password, / is written as %2F"),
        ("redis://:hidden#word@localhost:6379", "is not a valid URI"),
        ("redis://:hidden[word@localhost:6379", "is not a valid URI"),
        ("redis://:hidden@localhost:port", "is not a valid URI"),
        ("memcached://:hidden@localhost:port", "is not a valid URI"),
    ],
    ids=range(10),
)
def test_an_unusable_limit_storage_says_what_is_wrong_and_no_password(value, words):
    [(key, problem)] = problems(API_AUTH_LIMIT_STORAGE=value).items()
    assert key == "API_AUTH_LIMIT_STORAGE"
    assert words in problem
    assert "hidden" not in problem
    assert "'hid" not in problem


def test_a_limit_storage_whose_library_is_missing_says_which(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    [problem] = problems(API_AUTH_LIMIT_STORAGE="redis://:hidden@localhost").values()
    assert "pip install 'flask-core-auth[redis]'" in problem
    assert "hidden" not in problem


def test_sessions_are_a_url():
    for url in ("sqlite:///core-auth.db", "postgresql+psycopg://host/db", "redis://localhost"):
        assert read(API_AUTH_SESSIONS=url).sessions == url
    problem = problems(API_AUTH_SESSIONS="my-password")["API_AUTH_SESSIONS"]
    assert "must be a SQLAlchemy URL, such as sqlite:///core-auth.db, or redis://" in problem
    assert "my-password" not in problem


def test_what_needs_sessions_says_so():
    for check in ("refresh", "always"):
        config = read(
            API_AUTH_SESSIONS="sqlite:///core-auth.db",
            API_AUTH_SESSION_CHECK=check,
            API_AUTH_REFRESH_ROTATION=True,
        )
        assert (config.session_check, config.refresh_rotation) == (check, True)
    assert problems(API_AUTH_SESSION_CHECK="always", API_AUTH_REFRESH_ROTATION="yes") == {
        "API_AUTH_REFRESH_ROTATION": "needs sessions: set API_AUTH_SESSIONS",
        "API_AUTH_SESSION_CHECK": '"always" needs sessions: set API_AUTH_SESSIONS',
    }
    assert problems(API_AUTH_SESSION_CHECK="sometimes") == {
        "API_AUTH_SESSION_CHECK": 'must be "refresh" or "always", not \'sometimes\''
    }


# Errors


def test_every_problem_is_told_at_once():
    app = Flask(__name__)
    app.config.update(
        API_AUTH_ENABLE="perhaps",
        API_AUTH_USERNAME=5,
        API_AUTH_PASSWORD="scrypt:no hash",
        API_AUTH_JWT_SECRET="short",
        API_AUTH_JWT_ACCESS_EXPIRES=0,
        API_AUTH_AUTH0_ENABLE=True,
        API_AUTH_ABOUT="x",
        JWT_ALGORITHM="RS256",
        JWT_IDENTITY_CLAIM="identity",
    )
    with pytest.raises(ConfigError) as caught:
        app.register_blueprint(CoreAuth())
    keys = [key for key, _ in caught.value.problems]
    assert sorted(keys) == [
        "API_AUTH_ABOUT",
        "API_AUTH_AUTH0_TENANTS",
        "API_AUTH_ENABLE",
        "API_AUTH_JWT_ACCESS_EXPIRES",
        "API_AUTH_JWT_SECRET",
        "API_AUTH_PASSWORD",
        "API_AUTH_USERNAME",
        "JWT_ALGORITHM",
        "JWT_IDENTITY_CLAIM",
    ]
    for key, problem in caught.value.problems:
        assert f"\n  {key}: {problem}" in str(caught.value)


def test_no_error_and_no_repr_shows_a_secret():
    secrets = {
        "API_AUTH_PASSWORD": "scrypt:hunter2",
        "API_AUTH_USERS": {"bob": {"password": "pbkdf2:hunter2"}},
        "API_AUTH_JWT_SECRET": "hunter2",
        "API_AUTH_JWT_SECRET_FALLBACKS": ["hunter2"],
        "API_AUTH_LIMIT_STORAGE": "redis://:hunter2/@localhost",
        "API_AUTH_SESSIONS": "hunter2",
    }
    found = problems(API_AUTH_USERNAME="x", **secrets)
    assert set(found) == set(secrets)
    assert "hunter2" not in str(found)
    config = read(API_AUTH_JWT_SECRET="hunter2" * 5, API_AUTH_USERNAME="x", API_AUTH_PASSWORD="hunter2")
    assert "hunter2" not in repr(config)


# load_env


def env(environ: dict[str, str], **options) -> dict[str, object]:
    app = Flask(__name__)
    before = set(app.config)
    load_env(app.config, environ=environ, **options)
    return {key: app.config[key] for key in set(app.config) - before}


def test_load_env_takes_our_keys_as_plain_strings():
    environ = {f"CORE_{setting.key}": "1e5" for setting in SETTINGS}
    assert env(environ) == {setting.key: "1e5" for setting in SETTINGS}


def test_load_env_takes_nothing_else():
    assert (
        env({"CORE_DEBUG": "1", "CORE_SECRET_KEY": "x", "API_AUTH_USERNAME": "x", "CORE_API_AUTH_X": "x"})
        == {}
    )


def test_load_env_takes_an_empty_variable_for_one_that_is_not_set():
    assert env({"CORE_API_AUTH_USERNAME": "", "CORE_API_AUTH_REALM": ""}) == {}


def test_load_env_with_another_prefix():
    environ = {"MY_API_AUTH_REALM": "mine", "CORE_API_AUTH_REALM": "core", "RS_USERNAME": "restreamer"}
    assert env(environ, prefix="MY") == {"API_AUTH_REALM": "mine"}


def test_load_env_knows_the_core_s_aliases():
    aliases = {"RS_USERNAME": "admin", "RS_PASSWORD": "12345"}
    assert env(aliases) == {"API_AUTH_USERNAME": "admin", "API_AUTH_PASSWORD": "12345"}
    assert env({**aliases, "CORE_API_AUTH_USERNAME": "root"})["API_AUTH_USERNAME"] == "root"
    assert env({**aliases, "CORE_API_AUTH_USERNAME": ""})["API_AUTH_USERNAME"] == "admin"


def test_load_env_reads_the_environment_by_default(monkeypatch):
    monkeypatch.setenv("CORE_API_AUTH_REALM", "from the environment")
    app = Flask(__name__)
    load_env(app.config)
    assert app.config["API_AUTH_REALM"] == "from the environment"


def test_a_core_s_whole_environment_works_unchanged():
    app = Flask(__name__)
    environ = {
        "CORE_API_AUTH_ENABLE": "true",
        "CORE_API_AUTH_DISABLE_LOCALHOST": "false",
        "CORE_API_AUTH_USERNAME": "admin",
        "CORE_API_AUTH_PASSWORD": "0123",
        "CORE_API_AUTH_JWT_SECRET": SECRET,
        "CORE_API_AUTH_AUTH0_ENABLE": "true",
        "CORE_API_AUTH_AUTH0_TENANTS": "auth0://client@tenant.example?aud=api&user=auth0|1",
    }
    load_env(app.config, environ=environ)
    app.register_blueprint(CoreAuth())
    credentials = {"username": "admin", "password": "0123"}
    assert app.test_client().post("/api/login", json=credentials).status_code == 200


def test_every_setting_has_a_meaning_and_a_key_of_ours():
    for setting in SETTINGS:
        assert setting.key.startswith("API_AUTH_")
        assert setting.meaning.endswith(".")
