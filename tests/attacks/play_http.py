"""Plays requests: of the surfaces login, refresh, guard, cookies, localhost, throttle and sessions.

The player of tokens uses it, too: its request carries the token.
"""

from __future__ import annotations

import contextlib
import http.cookies
import json
import typing as t
from collections.abc import Mapping

from .cases import Case, parse
from .expectation import Expect, check, check_secrecy
from .filling import fill
from .recipes import SECRETS, Recipe, make
from .stage import Stage
from .wire import Request, Response, send

SURFACES = ("login", "refresh", "guard", "cookies", "localhost", "throttle", "sessions")
#: Surfaces on which a case changes what the app keeps, so that each case needs a new app.
STATEFUL = ("throttle", "sessions", "jwks")


def play(case: Case, stage: Stage) -> None:
    """Send the requests of a case, and check each response."""
    stage.set_up(case.config, fresh=case.surface in STATEFUL)
    tokens = {
        name: make_token(case, recipe, stage, f"tokens.{name}")
        for name, recipe in (case.tokens or {}).items()
    }
    play_requests(case, stage, tokens)


def make_token(case: Case, members: Mapping[str, t.Any], stage: Stage, where: str) -> str:
    """Make the token of a recipe in a case."""
    issuer = "tenant" if case.surface in ("tenant", "jwks") else "app"
    recipe = parse(Recipe, {"issuer": issuer, **members}, f"{case.id}: {where}")
    return make(recipe, now=stage.clock(), values=stage.values())


def play_requests(case: Case, stage: Stage, tokens: Mapping[str, str]) -> None:
    """Send the requests of a case with these tokens, and check each response.

    :param tokens: the values of further names in braces.
    """
    values = {**stage.values(), **tokens}
    for number, (sent, expected) in enumerate(zip(case.request, case.expect, strict=True), 1):
        where = f"{case.id}: request {number}"
        request = parse(Request, {name: fill(member, values) for name, member in sent.items()}, where)
        expect = parse(Expect, {name: fill(member, values) for name, member in expected.items()}, where)
        stage.clock.move(request.wait)
        for _ in range(request.times):
            reached = len(stage.reached)
            response = send(request, stage.port)
            check(response, expect, method=request.method)
            secrets = [*SECRETS.values(), *_passwords(case.config), *_passwords(sent)]
            if expect.is_rejection:
                assert len(stage.reached) == reached, "a rejected request reached the view"
                secrets += [*tokens.values(), *values.values(), *_credentials(request)]
            check_secrecy(response, _hidden(secrets))
        found = _values_of(response)
        values |= found | {f"{number}.{name}": value for name, value in found.items()}


def _hidden(secrets: list[str]) -> set[str]:
    # The realm is in each challenge.
    return set(secrets) - {SECRETS["realm"], SECRETS["username"]}


def _credentials(request: Request) -> list[str]:
    """What follows the scheme in the Authorization headers of a request."""
    return [
        value.strip().partition(" ")[2].strip()
        for name, value in request.headers
        if name.lower() == "authorization"
    ]


def _passwords(value: t.Any) -> list[str]:
    """The passwords and secrets in a case's config or request."""
    if isinstance(value, Mapping):
        found = [
            member
            for name, member in value.items()
            if isinstance(member, str) and ("password" in name.lower() or "secret" in name.lower())
        ]
        return found + [secret for member in value.values() for secret in _passwords(member)]
    if isinstance(value, list | tuple):
        return [secret for element in value for secret in _passwords(element)]
    if isinstance(value, str) and value.startswith("{"):  # a body that is sent as text
        with contextlib.suppress(ValueError, RecursionError):
            return _passwords(json.loads(value))
    return []


def _values_of(response: Response) -> dict[str, str]:
    """The values of a response that later requests may name: strings of its JSON, cookies and headers."""
    found: dict[str, str] = {}
    # Not of a rejection: its words are no secrets.
    if response.status < 400 and response.header("content-type") == "application/json" and response.body:
        body = response.json()
        if isinstance(body, dict):
            found |= {name: value for name, value in body.items() if isinstance(value, str)}
            for index, element in enumerate(body.get("sessions") or ()):
                if isinstance(element, dict) and isinstance(element.get("id"), str):
                    found[f"session.{index}"] = element["id"]
    for line in response.all("set-cookie"):
        cookie: http.cookies.SimpleCookie = http.cookies.SimpleCookie(line)
        found |= {f"cookie.{name}": morsel.value for name, morsel in cookie.items()}
    return found
