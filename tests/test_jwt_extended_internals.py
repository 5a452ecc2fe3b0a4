"""The internals of flask-jwt-extended that flask-core-auth calls."""

from __future__ import annotations

import inspect

import flask_jwt_extended
from flask import Flask, g
from flask_jwt_extended import (
    JWTManager,
    default_callbacks,
    tokens,
    verify_jwt_in_request,
    view_decorators,
)

from flask_core_auth import auth_required

from .apps import add_jwt_required_routes, bearer
from .forge import CORE_REALM, claims, core_claims, forge


def test_auth_required_sets_the_same_values_in_g_as_jwt_required(app):
    keys = {
        "_jwt_extended_jwt",
        "_jwt_extended_jwt_header",
        "_jwt_extended_jwt_location",
        "_jwt_extended_jwt_user",
    }

    def kept() -> dict:
        return {key: value for key, value in vars(g._get_current_object()).items() if "jwt" in key}

    for headers in (bearer(forge(claims())), {}):
        found = []
        for admit in (
            lambda: verify_jwt_in_request(optional=True),
            auth_required(optional=True)(lambda: None),
        ):
            with app.test_request_context("/", headers=headers):
                admit()
                found.append(kept())
        assert set(found[0]) == set(found[1]) == keys
        assert found[0] == found[1]


def test_claims_that_a_core_token_lacks_are_added_as_jwt_required_adds_them(make_app):
    app = make_app(API_AUTH_REALM=CORE_REALM)
    add_jwt_required_routes(app)
    token, client = forge(core_claims(jti=...)), app.test_client()
    assert (
        client.get("/who", headers=bearer(token)).json["claims"]
        == client.get("/extended", headers=bearer(token)).json
    )


def test_signatures_of_called_functions_are_unchanged():
    def parameters(function) -> list[str]:
        return list(inspect.signature(function).parameters)

    assert parameters(tokens._encode_jwt) == [
        "algorithm",
        "audience",
        "claim_overrides",
        "csrf",
        "expires_delta",
        "fresh",
        "header_overrides",
        "identity",
        "identity_claim_key",
        "issuer",
        "json_encoder",
        "secret",
        "token_type",
        "nbf",
    ]
    assert parameters(view_decorators._decode_jwt_from_cookies) == ["refresh"]
    assert parameters(view_decorators._decode_jwt_from_query_string) == []
    assert parameters(view_decorators._decode_jwt_from_json) == ["refresh"]
    assert parameters(JWTManager._decode_jwt_from_config) == [
        "self",
        "encoded_token",
        "csrf_value",
        "allow_expired",
    ]


def test_attributes_of_callbacks_are_unchanged():
    manager = JWTManager()
    assert manager._token_in_blocklist_callback is default_callbacks.default_blocklist_callback
    assert manager._token_verification_callback is default_callbacks.default_token_verification_callback
    assert manager._user_lookup_callback is None
    assert manager._user_claims_callback("x") == {}
    assert manager._jwt_additional_header_callback("x") == {}
    for loader, attribute in (
        ("additional_claims_loader", "_user_claims_callback"),
        ("additional_headers_loader", "_jwt_additional_header_callback"),
        ("token_in_blocklist_loader", "_token_in_blocklist_callback"),
        ("token_verification_loader", "_token_verification_callback"),
        ("user_lookup_loader", "_user_lookup_callback"),
        ("encode_key_loader", "_encode_key_callback"),
        ("decode_key_loader", "_decode_key_callback"),
    ):
        callback = object()
        getattr(manager, loader)(callback)
        assert getattr(manager, attribute) is callback


def test_init_app_registers_error_handlers_only_on_the_app():
    app = Flask(__name__)
    JWTManager(app)
    assert list(app.error_handler_spec) == [None]
    assert list(app.error_handler_spec[None]) == [None]
    assert app.extensions["flask-jwt-extended"]
    assert flask_jwt_extended.__version__.startswith("4.")
