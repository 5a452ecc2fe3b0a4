"""Plays the cases of the surface client: calls of a client at a hostile or odd server.

``config`` has the arguments of the client that differ from :data:`CREDENTIALS`; null leaves one out. Each
request is a :class:`Call`, and its ``expect`` an :class:`Outcome`. Each case is played with both clients.

After each call this holds, whatever the case expects:

- The other origin got no token, no password and no cookie, and this one got no cookie.
- The password was sent in the body of a login only, and tokens in ``Authorization: Bearer`` only.
- An error is documented, and shows no password and no token in any form. Its text is one printable line of
  at most 1,000 characters.
"""

from __future__ import annotations

import gzip
import json
import time
import typing as t
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from urllib.parse import quote

import httpx2
import pytest

from flask_core_auth.client import CoreClientError, LoginError, RefreshError, TokenPair

from ..client.conftest import Caller, Connect, connecting
from ..client.server import LOGIN, CoreServer, Handler, Seen
from ..client.test_secrecy import everything_about
from .cases import Case, parse
from .expectation import spellings
from .filling import fill, raw

#: Written differently in JSON, in a URL and in a form.
PASSWORD = 'canary <pass> "wörd" & more'
CREDENTIALS = {"username": "admin", "password": "{password}"}
MAX_ERROR_CHARACTERS = 1000
ERRORS: Mapping[str, type[Exception]] = {
    "LoginError": LoginError,
    "RefreshError": RefreshError,
    "CoreClientError": CoreClientError,
    "RequestError": httpx2.RequestError,
}


@dataclass(frozen=True)
class Answer:
    """A response of the server in place of the right one.

    :param headers: pairs of name and value, sent as they are.
    :param json: the body, as a JSON value.
    :param body: the body, as text; see :func:`.filling.raw`.
    :param gzipped: how often the body is compressed.
    :param wire: the whole response, as text; then the connection is closed.
    :param drip: number of times that a blank is sent before the body, 50 ms apart.
    """

    status: int = 200
    headers: Sequence[Sequence[str]] = ()
    json: t.Any = None
    body: str = ""
    gzipped: int = 0
    wire: str | None = None
    drip: int = 0

    def send(self, handler: Handler) -> None:
        if self.wire is not None:
            handler.wfile.write(raw(self.wire))
            handler.close_connection = True
            return
        data = raw(self.body) if self.json is None else json.dumps(self.json).encode()
        for _ in range(self.gzipped):
            data = gzip.compress(data, 1)
        handler.send_response_only(self.status)
        for name, value in self.headers:
            handler.send_header(name, raw(value).decode("latin-1"))
        if self.gzipped:
            handler.send_header("Content-Encoding", ", ".join(["gzip"] * self.gzipped))
        handler.send_header("Content-Length", str(len(data) + self.drip))
        handler.end_headers()
        for _ in range(self.drip):
            time.sleep(0.05)
            handler.wfile.write(b" ")
        handler.wfile.write(data)


@dataclass(frozen=True)
class Call:
    """One call of the client.

    :param do: ``"connect"``, ``"refresh"``, ``"get"`` or ``"post"``.
    :param url: the URL of a request.
    :param options: further arguments of a request.
    :param answers: the server's answers from now on: by path, each an :class:`Answer` or a list of them for
        one request each. After a list, and on all other paths, the server is a good one.
    :param elsewhere: the same for the server at the other origin.
    """

    do: str = "connect"
    url: str = "/api/v3/process"
    options: Mapping[str, t.Any] = field(default_factory=dict)
    answers: Mapping[str, t.Any] = field(default_factory=dict)
    elsewhere: Mapping[str, t.Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a call must do.

    :param status: the status of the response; of an error, the status that it states.
    :param error: the name of the error that is raised, in :data:`ERRORS`.
    :param contains: texts in the error.
    :param retry_after: of the error.
    :param tokens: the tokens afterwards, of those that are named.
    :param seen: how many requests the server has got by then, by path.
    """

    status: int | None = None
    error: str | None = None
    contains: Sequence[str] = ()
    retry_after: t.Any = ...
    tokens: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, int] = field(default_factory=dict)


def play(case: Case) -> None:
    """Play one case."""
    for kind in ("sync", "async"):
        here, elsewhere = CoreServer(), CoreServer()
        try:
            with connecting(kind) as connect:
                _Play(case, connect, here, elsewhere).run()
        finally:
            here.close()
            elsewhere.close()


class _Play:
    def __init__(self, case: Case, connect: Connect, here: CoreServer, elsewhere: CoreServer) -> None:
        self.case = case
        self.connect = connect
        self.here = here
        self.elsewhere = elsewhere
        self.client: Caller | None = None
        here.password = PASSWORD
        self.secrets = {PASSWORD}
        self.values = {
            "password": PASSWORD,
            "here": here.url,
            "elsewhere": elsewhere.url,
            "here_host": here.url.removeprefix("http://"),
            "here_port": here.url.rpartition(":")[2],
            "elsewhere_host": elsewhere.url.removeprefix("http://"),
            "percent_encoded": quote(PASSWORD, safe=""),
            "percent_encoded_in_lower_case": quote(PASSWORD, safe="").lower(),
            "json_encoded": json.dumps(PASSWORD)[1:-1],
        }

    def run(self) -> None:
        for number, (sent, expected) in enumerate(zip(self.case.request, self.case.expect, strict=True), 1):
            where = f"{self.case.id}: request {number}"
            call = parse(Call, sent, where)
            outcome = parse(Outcome, expected, where)
            self._answer(self.here, call.answers, where)
            self._answer(self.elsewhere, call.elsewhere, where)
            if outcome.error is None:
                response = self._do(call)
                assert outcome.status == (None if response is None else response.status_code), where
            else:
                with pytest.raises(ERRORS[outcome.error]) as caught:
                    self._do(call)
                self._check_error(caught.value, outcome)
            self._check_tokens(outcome)
            self._check_requests()
            found = {path: self.here.count(path) for path in outcome.seen}
            assert found == dict(outcome.seen), where

    def _answer(self, server: CoreServer, answers: Mapping[str, t.Any], where: str) -> None:
        for path, answer in answers.items():
            queue = [self._parse(one, where) for one in (answer if isinstance(answer, list) else [answer])]
            server.faults[path] = self._fault(queue, forever=not isinstance(answer, list))

    def _parse(self, members: Mapping[str, t.Any], where: str) -> Mapping[str, t.Any]:
        parse(Answer, members, where)
        return members

    def _fault(self, queue: list[Mapping[str, t.Any]], *, forever: bool) -> Callable[[Handler], None]:
        def fault(handler: Handler) -> None:
            if not queue:
                handler.route()
                return
            members = queue[0] if forever else queue.pop(0)
            issued = {"access": handler.core.issue("access"), "refresh": handler.core.issue("refresh")}
            self.secrets |= set(issued.values())
            values = self.values | issued | {"sent": handler.body.decode() + (handler.bearer or "")}
            Answer(**fill(members, values)).send(handler)

        return fault

    def _do(self, call: Call) -> httpx2.Response | None:
        if call.do == "connect":
            options = fill({**CREDENTIALS, **(self.case.config or {})}, self.values)
            self.client = self.connect(self.here.url, **{k: v for k, v in options.items() if v is not None})
            return None
        assert self.client is not None
        if call.do == "refresh":
            self.client.refresh()
            return None
        send = {"get": self.client.get, "post": self.client.post}[call.do]
        return send(fill(call.url, self.values), **fill(call.options, self.values))

    def _check_tokens(self, outcome: Outcome) -> None:
        if self.client is None:
            return
        pair = self.client.tokens()
        self.secrets |= {token for token in astuple(pair) if token}
        assert set(outcome.tokens) <= {one.name for one in fields(TokenPair)}
        for name, value in outcome.tokens.items():
            assert getattr(pair, name) == value, name

    def _check_error(self, error: Exception, outcome: Outcome) -> None:
        text, shown = str(error), everything_about(error)
        for part in outcome.contains:
            assert fill(part, self.values) in text, text
        for secret in self.secrets:
            for form in spellings(secret):
                assert form not in raw(shown), "the error shows a secret"
        if isinstance(error, CoreClientError):
            assert len(text) <= MAX_ERROR_CHARACTERS
            assert text.isprintable()
            assert outcome.status is None or error.status == outcome.status
            assert outcome.retry_after is ... or error.retry_after == outcome.retry_after

    def _check_requests(self) -> None:
        for seen in self.elsewhere.seen:
            assert "Authorization" not in seen.headers
            assert not any(_shows(seen, secret) for secret in self.secrets), "at the other origin"
        for seen in self.here.seen:
            assert seen.headers.get("Authorization", "Bearer").startswith("Bearer")
            assert seen.path == LOGIN or not _shows(seen, PASSWORD)
        for seen in (*self.elsewhere.seen, *self.here.seen):
            assert "Cookie" not in seen.headers


def _shows(seen: Seen, secret: str) -> bool:
    whole = raw(f"{seen.path} {dict(seen.headers)}") + seen.body
    return any(form in whole for form in spellings(secret))
