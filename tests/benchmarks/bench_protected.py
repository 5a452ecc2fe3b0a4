"""The cost of a protected route and of an Auth0 token: ``make bench``.

The bars: over an open route, a remembered token costs at most 1/30 of the overhead of flask-jwt-extended's
``jwt_required()``, a new one at most 1/4. The validation of an Auth0 token costs at most 2.4 raw RSA-2048
verifications.
"""

from __future__ import annotations

import statistics

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from flask import Flask
from flask_jwt_extended import jwt_required
from joserfc.jwk import RSAKey

from flask_core_auth import CoreAuth, auth_required
from flask_core_auth.testing import FakeTenant

from ..apps import SECRET
from .measure import measure, ratio, requester


def make_app() -> tuple[Flask, CoreAuth]:
    app = Flask("bench")
    app.config["API_AUTH_JWT_SECRET"] = SECRET
    core_auth = CoreAuth()
    app.register_blueprint(core_auth)
    app.add_url_rule("/open", "open", lambda: "ok")
    app.add_url_rule("/protected", "protected", auth_required(lambda: "ok"))
    app.add_url_rule("/extended", "extended", jwt_required()(lambda: "ok"))
    return app, core_auth


def bench_protected(*, rounds: int = 40, calls: int = 150) -> None:
    app, core_auth = make_app()
    with app.app_context():
        token, *new = [
            core_auth.issue("bench", scopes=["metrics:read"]).access_token
            for _ in range(1 + rounds * calls)
        ]
    times = measure(
        {
            "open route": requester(app, "/open", token),
            "jwt_required()": requester(app, "/extended", token),
            "auth_required, remembered token": requester(app, "/protected", token),
            "auth_required, new token": requester(app, "/protected", iter(new)),
        },
        rounds=rounds,
        calls=calls,
    )
    base = times["open route"]
    overhead = {
        name: statistics.median(taken - opened for taken, opened in zip(rounds_, base, strict=True))
        for name, rounds_ in times.items()
    }
    whole, extended = statistics.median(base), overhead["jwt_required()"]
    for name, over in overhead.items():
        print(f"{name:34} {1 + over / whole:5.2f} x open route, overhead {ratio(over, extended):6.3f}")
    remembered = ratio(extended, overhead["auth_required, remembered token"])
    new_token = ratio(extended, overhead["auth_required, new token"])
    print(f"overhead, remembered token: 1/{remembered:.0f} of jwt_required() (bar 1/30)")
    print(f"overhead, new token:        1/{new_token:.1f} of jwt_required() (bar 1/4)")


def bench_auth0(*, rounds: int = 40, calls: int = 150) -> None:
    with FakeTenant().serving() as tenant:
        app = Flask("bench")
        app.config.update(tenant.config, API_AUTH_JWT_SECRET=SECRET)
        app.register_blueprint(CoreAuth())
        bearer = tenant.token()
        validators = app.extensions["core_auth"].validators
        validators.find_tenant_token(bearer).validate()  # fetches the keys

    key = RSAKey.generate_key(2048)
    public, message = key.public_key, bearer.rpartition(".")[0].encode()
    signature = key.raw_value.sign(message, padding.PKCS1v15(), hashes.SHA256())

    times = measure(
        {
            "raw": lambda: public.verify(signature, message, padding.PKCS1v15(), hashes.SHA256()),
            "validate": lambda: validators.find_tenant_token(bearer).validate(),
        },
        rounds=rounds,
        calls=calls,
    )
    verifications = statistics.median(times["validate"]) / statistics.median(times["raw"])
    print(f"Auth0 validation: {verifications:.2f} raw RSA-2048 verifications (bar 2.4)")


if __name__ == "__main__":
    bench_protected()
    bench_auth0()
