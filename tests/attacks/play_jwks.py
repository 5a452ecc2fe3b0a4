"""Plays key sets: a tenant publishes one, and a token is sent to the login."""

from __future__ import annotations

import gzip
import json
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .cases import Case, parse
from .filling import fill, raw
from .keys import named_key, public_jwk
from .play_tokens import send_token
from .stage import Stage


@dataclass(frozen=True)
class KeySet:
    """A tenant's response with its keys; a case's config has it as ``"jwks"``.

    :param keys: the keys; one with ``of`` is made of a named key, see :class:`PublishedKey`.
    :param members: further members of the set.
    :param body: the whole body, as text.
    :param gzipped: whether the body is compressed.
    """

    keys: t.Any = ()
    members: Mapping[str, t.Any] = field(default_factory=dict)
    body: str | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    gzipped: bool = False


@dataclass(frozen=True)
class PublishedKey:
    """A key of a set.

    :param of: the name of the key.
    :param private: whether its private members are published.
    :param members: members that differ.
    :param without: members that are left out.
    :param times: how often it is published, with a number after its kid from the second on.
    """

    of: str
    private: bool = False
    members: Mapping[str, t.Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    times: int = 1


def play(case: Case, stage: Stage) -> None:
    """Publish the key set of a case, send its token to a new app, and check the response."""
    config = dict(case.config or {})
    key_set = parse(KeySet, config.pop("jwks", {"keys": [{"of": "rsa"}]}), f"{case.id}: jwks")
    tenant = stage.tenant
    tenant.status = key_set.status
    tenant.headers = dict(key_set.headers)
    tenant.body = _body(key_set, case, stage)
    try:
        stage.set_up({"tenant": {}, **config}, fresh=True)
        send_token(replace(case, config=config), stage)
    finally:
        tenant.status, tenant.headers, tenant.body = 200, {"Content-Type": "application/json"}, None


def _body(key_set: KeySet, case: Case, stage: Stage) -> bytes:
    if key_set.body is not None:
        body = raw(fill(key_set.body, {"key_set": _text(key_set, case)}))
    else:
        body = _text(key_set, case).encode()
    return gzip.compress(body) if key_set.gzipped else body


def _text(key_set: KeySet, case: Case) -> str:
    keys = key_set.keys
    if isinstance(keys, list):
        keys = [jwk for key in keys for jwk in _published(key, case)]
    return json.dumps({"keys": keys, **key_set.members})


def _published(key: t.Any, case: Case) -> list[t.Any]:
    if not isinstance(key, dict) or "of" not in key:
        return [key]
    published = parse(PublishedKey, key, f"{case.id}: key")
    if published.private:
        jwk = {**named_key(published.of).as_dict(private=True), "kid": published.of}
    else:
        jwk = public_jwk(published.of)
    jwk = {"use": "sig", **jwk, **fill(published.members, {})}
    jwk = {name: value for name, value in jwk.items() if name not in published.without}
    copies = [{**jwk, "kid": f"{jwk['kid']}{number}"} for number in range(2, published.times + 1)]
    return [jwk, *copies]
