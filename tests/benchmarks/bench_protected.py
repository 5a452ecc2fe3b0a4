"""What protecting a route costs: ``make bench``.

All figures come from one process and one run, measured in turns, so that their ratios hold on a machine
whose speed drifts. The bars: over an open route, a token that was seen before costs at most 1/30 of what
flask-jwt-extended's ``jwt_required()`` costs, a new one at most 1/4; validating an Auth0 token costs
as much as 4 raw RSA-2048 verifications at most.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Iterator

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from flask import Flask
from flask_jwt_extended import jwt_required
from joserfc.jwk import RSAKey
from werkzeug.test import EnvironBuilder

from flask_core_auth import CoreAuth, auth_required
from flask_core_auth.testing import FakeTenant

ROUNDS = 40
CALLS = 150


def make_app() -> tuple[Flask, CoreAuth]:
    app = Flask("bench")
    app.config["API_AUTH_JWT_SECRET"] = "benchmark-secret-of-at-least-32-bytes"
    core_auth = CoreAuth()
    app.register_blueprint(core_auth)
    app.add_url_rule("/open", "open", lambda: "ok")
    app.add_url_rule("/ours", "ours", auth_required(lambda: "ok"))
    app.add_url_rule("/extended", "extended", jwt_required()(lambda: "ok"))
    return app, core_auth


def requester(app: Flask, path: str, tokens: Iterator[str]) -> Callable[[], None]:
    environ = EnvironBuilder(path).get_environ()

    def request() -> None:
        status = []
        # A header read from a socket is a new string, whose hash is not known yet.
        header = ("Bearer " + next(tokens)).encode().decode()
        call = {**environ, "HTTP_AUTHORIZATION": header}
        b"".join(app.wsgi_app(call, lambda line, headers: status.append(line)))
        assert status == ["200 OK"], (path, status)

    return request


def measure(cases: dict[str, Callable[[], None]], calls: int = CALLS) -> dict[str, list[float]]:
    """The time of one call of each case, in microseconds, round by round."""
    rounds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, call in cases.items():
            start = time.perf_counter()
            for _ in range(calls):
                call()
            rounds[name].append((time.perf_counter() - start) / calls * 1e6)
    return rounds


def bench_protected() -> None:
    app, core_auth = make_app()
    with app.app_context():
        token = core_auth.issue("bench", scopes=["metrics:read"]).access_token
        fresh: Iterable[str] = [
            core_auth.issue("bench", scopes=["metrics:read"]).access_token for _ in range(ROUNDS * CALLS)
        ]
    same = itertools.repeat(token)
    times = measure(
        {
            "open route": requester(app, "/open", same),
            "jwt_required()": requester(app, "/extended", same),
            "auth_required, token seen before": requester(app, "/ours", same),
            "auth_required, new token": requester(app, "/ours", iter(fresh)),
        }
    )
    base = times["open route"]
    overhead = {
        name: statistics.median(taken - opened for taken, opened in zip(rounds, base, strict=True))
        for name, rounds in times.items()
    }
    whole, extended = statistics.median(base), overhead["jwt_required()"]
    for name, over in overhead.items():
        print(f"{name:34} {1 + over / whole:5.2f} x open route, overhead {over / extended:6.3f}")
    seen = overhead["auth_required, token seen before"] / extended
    new = overhead["auth_required, new token"] / extended
    print(f"overhead, token seen before: 1/{1 / seen:.0f} of jwt_required() (bar 1/30)")
    print(f"overhead, new token:         1/{1 / new:.1f} of jwt_required() (bar 1/4)")


def bench_auth0() -> None:
    with FakeTenant().serving() as tenant:
        app = Flask("bench")
        app.config.update(tenant.config, API_AUTH_JWT_SECRET="benchmark-secret-of-at-least-32-bytes")
        app.register_blueprint(CoreAuth())
        token = tenant.token()
        auth0 = app.extensions["core_auth"].validators._auth0
        auth0.find(token).validate()  # the keys are in hand now

    key = RSAKey.generate_key(2048)
    public, message = key.public_key, token.rpartition(".")[0].encode()
    signature = key.raw_value.sign(message, padding.PKCS1v15(), hashes.SHA256())

    times = measure(
        {
            "raw": lambda: public.verify(signature, message, padding.PKCS1v15(), hashes.SHA256()),
            "validate": lambda: auth0.find(token).validate() and None,
        }
    )
    ratio = statistics.median(times["validate"]) / statistics.median(times["raw"])
    print(f"Auth0 validation: {ratio:.2f} raw RSA-2048 verifications (bar 4)")


if __name__ == "__main__":
    bench_protected()
    bench_auth0()
