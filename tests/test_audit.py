"""``make audit``: a finding fails, a database that cannot be reached does not."""

from __future__ import annotations

import json
import threading
import typing as t
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from . import audit
from .sessions.servers import free_port

REQUIREMENTS = ["flask==3.1.0", "werkzeug==3.1.0"]
VULNERABLE = {
    "id": "GHSA-canary",
    "summary": "A finding",
    "affected": [
        {
            "package": {"name": "werkzeug", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.1"}]}],
        }
    ],
}

Respond = Callable[[dict[str, t.Any]], tuple[int, bytes]]


class Database(ThreadingHTTPServer):
    """A server in the place of OSV, whose responses a test can replace."""

    respond: Respond


class Handler(BaseHTTPRequestHandler):
    server: Database

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, body = self.server.respond(query)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def database() -> Iterator[Database]:
    server = Database(("127.0.0.1", 0), Handler)
    server.respond = lambda query: (200, b"{}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def ask(port: int) -> audit.Audit:
    return audit.audit(REQUIREMENTS, options=["--osv-url", f"http://127.0.0.1:{port}/v1/query"])


def run_main(monkeypatch: pytest.MonkeyPatch, port: int) -> int:
    monkeypatch.setattr(audit, "resolve", lambda: REQUIREMENTS)
    found = ask(port)
    monkeypatch.setattr(audit, "audit", lambda requirements: found)
    return audit.main()


def test_requirements_without_a_finding_pass(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, database.server_port) == 0
    assert capsys.readouterr().out == "pip-audit: 2 of 2 requirements checked\n"


def test_finding_fails_and_is_named(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def respond(query: dict[str, t.Any]) -> tuple[int, bytes]:
        known = [VULNERABLE] if query["package"]["name"] == "werkzeug" else []
        return 200, json.dumps({"vulns": known}).encode()

    database.respond = respond
    assert run_main(monkeypatch, database.server_port) == 1
    assert "vulnerable: werkzeug 3.1.0: GHSA-canary, fixed in ['3.1.1']" in capsys.readouterr().out


def test_database_that_refuses_connections_counts_as_not_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, free_port()) == 0
    assert "0 of 2 requirements checked\n  not checked: flask==3.1.0: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("status", "body"), [(503, b"down"), (403, b"not from here"), (200, b"<html>Log in to the network")]
)
def test_database_that_does_not_respond_itself_counts_as_not_checked(
    database: Database, status: int, body: bytes
) -> None:
    database.respond = lambda query: (status, body)
    found = ask(database.server_port)
    assert found.findings == []
    assert len(found.unchecked) == 2


def test_another_failure_of_pip_audit_is_an_error(database: Database) -> None:
    """Otherwise an option that a later version lacks would count as "not checked" for ever."""
    database.respond = lambda query: (200, b'{"vulns": [{}]}')
    with pytest.raises(audit.AuditError, match="KeyError"):
        ask(database.server_port)
    with pytest.raises(audit.AuditError, match="unrecognized arguments"):
        audit.audit(REQUIREMENTS, options=["--no-such-option"])
