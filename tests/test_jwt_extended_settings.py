"""The checks of the app's flask-jwt-extended settings, cookies included."""

from __future__ import annotations

import pytest
from flask_jwt_extended import JWTManager

from flask_core_auth import ConfigError

from .apps import SECRET, add_jwt_required_routes, add_manager, bearer, log_in
from .forge import OTHER_SECRET, claims, forge, read

#: No manager, so that the built-in one is made; and one of the app's own.
MANAGERS = pytest.mark.parametrize("host", [None, add_manager], ids=["built in", "the app's"])


def conflict(make_app, host=None, **config) -> str:
    with pytest.raises(ConfigError) as caught:
        make_app(host=host, **config)
    [(key, problem)] = caught.value.problems
    return f"{key} {problem}"


# The secret and the algorithm


def test_secret_that_differs_from_the_apps_manager_is_rejected(make_app):
    problem = conflict(make_app, lambda app: add_manager(app, JWT_SECRET_KEY=OTHER_SECRET))
    assert problem == (
        "API_AUTH_JWT_SECRET is not the secret of the app's own JWTManager: leave it out and set"
        " JWT_SECRET_KEY"
    )
    assert OTHER_SECRET not in problem


@pytest.mark.parametrize("loader", ["encode_key_loader", "decode_key_loader"])
def test_secret_that_differs_from_the_apps_key_loaders_is_rejected(make_app, loader):
    def host(app):
        getattr(add_manager(app), loader)(lambda *given: OTHER_SECRET)

    assert "is not the secret of the app's own JWTManager" in conflict(make_app, host)


def test_same_secret_from_the_apps_key_loaders_is_accepted(make_app):
    def host(app):
        manager = add_manager(app, JWT_SECRET_KEY="")
        manager.encode_key_loader(lambda identity: SECRET)
        manager.decode_key_loader(lambda header, claims: SECRET.encode())

    assert log_in(make_app(host=host))


def test_manager_without_a_secret_is_rejected(make_app):
    problem = conflict(make_app, JWTManager)
    assert problem.startswith("JWT_SECRET_KEY cannot be read from the app's JWTManager: ")


@MANAGERS
def test_other_algorithms_are_rejected(make_app, host):
    for algorithm in ("RS256", "HS512", "none"):
        problem = conflict(make_app, host if algorithm.startswith("HS") else None, JWT_ALGORITHM=algorithm)
        assert problem == f"JWT_ALGORITHM must be HS256, not {algorithm!r}"


def test_app_that_signs_with_rsa_is_rejected(make_app):
    def host(app):
        app.config.update(JWT_ALGORITHM="RS256", JWT_PRIVATE_KEY="private", JWT_PUBLIC_KEY="public")
        JWTManager(app)

    with pytest.raises(ConfigError) as caught:
        make_app(host=host)
    assert "JWT_ALGORITHM" in dict(caught.value.problems)


# Identity claim, issuer and audience


@MANAGERS
def test_other_identity_claim_is_rejected(make_app, host):
    assert conflict(make_app, host, JWT_IDENTITY_CLAIM="identity") == (
        "JWT_IDENTITY_CLAIM must be sub, not 'identity'"
    )


@MANAGERS
@pytest.mark.parametrize("issuer", ["another", ["another", "third"], ()])
def test_decode_issuer_without_the_realm_is_rejected(make_app, host, issuer):
    assert conflict(make_app, host, JWT_DECODE_ISSUER=issuer) == (
        "JWT_DECODE_ISSUER must admit API_AUTH_REALM ('flask-core-auth'), the iss of the tokens"
    )


@pytest.mark.parametrize("issuer", ["flask-core-auth", ["another", "flask-core-auth"]])
def test_decode_issuer_with_the_realm_is_accepted(make_app, issuer):
    app = make_app(JWT_DECODE_ISSUER=issuer, JWT_ENCODE_ISSUER="another")
    add_jwt_required_routes(app)
    token = log_in(app)["access_token"]
    assert read(token)["iss"] == "flask-core-auth"
    for path in ("/who", "/extended"):
        assert app.test_client().get(path, headers=bearer(token)).status_code == 200


@pytest.mark.parametrize("encoded", [None, "other", ["other"], ...])
def test_decode_audience_that_issued_tokens_lack_is_rejected(make_app, encoded):
    config = {"JWT_DECODE_AUDIENCE": "mine", "JWT_ENCODE_AUDIENCE": encoded}
    assert conflict(make_app, **config) == (
        "JWT_ENCODE_AUDIENCE must be among JWT_DECODE_AUDIENCE ('mine')"
    )


@MANAGERS
@pytest.mark.parametrize(("decoded", "encoded"), [("mine", "mine"), (["mine", "x"], ["y", "mine"])])
def test_tokens_need_the_audience_that_the_app_requires(make_app, host, decoded, encoded):
    app = make_app(host=host, JWT_DECODE_AUDIENCE=decoded, JWT_ENCODE_AUDIENCE=encoded)
    add_jwt_required_routes(app)
    token, client = log_in(app)["access_token"], app.test_client()
    for path in ("/who", "/extended"):
        assert client.get(path, headers=bearer(token)).status_code == 200
    for aud in (..., None, "other", [], ["other"], 5, {"mine": 1}, [5], ""):
        response = client.get("/who", headers=bearer(forge(claims(aud=aud))))
        assert response.status_code == 401


def test_audience_is_ignored_unless_the_app_requires_one(client):
    assert client.get("/who", headers=bearer(forge(claims(aud="anything")))).status_code == 200


# Cookies


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("JWT_TOKEN_LOCATION", ["headers"]),
        ("JWT_TOKEN_LOCATION", "headers"),
        ("JWT_COOKIE_SECURE", False),
        ("JWT_COOKIE_SAMESITE", "None"),
        ("JWT_COOKIE_SAMESITE", None),
        ("JWT_COOKIE_CSRF_PROTECT", False),
        ("JWT_CSRF_METHODS", ["POST"]),
    ],
)
@MANAGERS
def test_insecure_cookie_settings_are_rejected(make_app, key, value, host):
    secure = {
        "JWT_TOKEN_LOCATION": ["headers", "cookies"],
        "JWT_COOKIE_SECURE": True,
        "JWT_COOKIE_SAMESITE": "Strict",
    }
    make_app(host=host, API_AUTH_COOKIES=True, **secure)
    with pytest.raises(ConfigError) as error:
        make_app(host=host, API_AUTH_COOKIES=True, **{**secure, key: value})
    assert [name for name, _ in error.value.problems] == [key]


def test_insecure_defaults_of_the_apps_manager_are_all_named(make_app):
    with pytest.raises(ConfigError) as error:
        make_app(host=add_manager, API_AUTH_COOKIES=True)
    assert [name for name, _ in error.value.problems] == [
        "JWT_TOKEN_LOCATION",
        "JWT_COOKIE_SECURE",
        "JWT_COOKIE_SAMESITE",
    ]
