"""An Auth0 tenant for tests: a real HTTPS server for its keys, and access tokens signed with them.

``conftest.py`` imports the fixtures at the end.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
import typing as t
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme
from joserfc.jwk import Key, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64encode

from flask_core_auth.config import Auth0Tenant

#: The subject of a tenant's tokens by default.
ALICE = "auth0|alice"
AUDIENCE = "https://api.example.test/"
CLIENT = "client-of-the-tests"
#: A tenant that has settings and no server.
EXAMPLE = {"domain": "tenant.example", "audience": "api", "clientid": "client", "users": [ALICE]}


class Tenant:
    """A tenant whose responses a test can change.

    :ivar domain: its host and port; ``issuer`` and ``jwks_uri`` follow from it.
    :ivar key: signs its tokens.
    :ivar keys: are published; an element that is not a key is published literally.
    :ivar status: of its responses, as are ``headers`` and ``body`` (None: the keys).
    :ivar drip: ``"headers"`` or ``"body"``: that part comes a byte at a time, and never ends.
    :ivar answering: while it is clear, responses are held back.
    :ivar asked: is set by each request, after its response is determined.
    :ivar requests: the header fields, and the path, of each request.
    """

    def __init__(self, certificate: trustme.LeafCert, key: RSAKey) -> None:
        self.key: Key = key
        self.keys: list[object] = [key]
        self.status = 200
        self.headers: dict[str, str] = {"Content-Type": "application/json"}
        self.body: bytes | None = None
        self.drip: t.Literal["headers", "body"] | None = None
        self.answering = threading.Event()
        self.answering.set()
        self.asked = threading.Event()
        self.requests: list[Mapping[str, str]] = []
        self._closed = threading.Event()
        self._server = _Server(self, certificate)
        self.domain = f"localhost:{self._server.server_port}"
        self.issuer = f"https://{self.domain}/"
        self.jwks_uri = f"https://{self.domain}/.well-known/jwks.json"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def settings(self, **overrides: object) -> dict[str, object]:
        """An element of API_AUTH_AUTH0_TENANTS."""
        return {
            "domain": self.domain,
            "audience": AUDIENCE,
            "clientid": CLIENT,
            "users": [ALICE],
            **overrides,
        }

    def config(self, **overrides: t.Any) -> Auth0Tenant:
        """The parsed form of :meth:`settings`."""
        values: dict[str, t.Any] = {
            "domain": self.domain,
            "audience": AUDIENCE,
            "clientid": CLIENT,
            "users": frozenset((ALICE,)),
            "issuer": self.issuer,
            "jwks_uri": self.jwks_uri,
            "algorithms": frozenset(("RS256",)),
            "scopes": frozenset(),
        }
        return Auth0Tenant(**values | overrides)

    def header(self, **overrides: object) -> dict[str, object]:
        """A token's header; a member that is ``...`` is left out."""
        return _present({"alg": "RS256", "typ": "JWT", "kid": self.key.kid, **overrides})

    def claims(self, **overrides: object) -> dict[str, object]:
        """An access token's claims; one that is ``...`` is left out."""
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": self.issuer,
            "sub": ALICE,
            "aud": [AUDIENCE, f"{self.issuer}userinfo"],
            "iat": now,
            "exp": now + 86400,
            "azp": CLIENT,
            "scope": "openid profile",
        }
        return _present(claims | overrides)

    def token(self, **overrides: object) -> str:
        """An access token; see :meth:`claims`."""
        return self.sign(self.header(), self.claims(**overrides))

    def sign(
        self,
        header: dict[str, object] | str,
        payload: dict[str, object] | str,
        *,
        key: Key | None = None,
        algorithm: str = "RS256",
    ) -> str:
        """Sign any header and payload; text is signed literally.

        :param key: signs instead of the tenant's.
        :param algorithm: the algorithm of the signature, whichever the header names.
        """
        segments = (part if isinstance(part, str) else json.dumps(part) for part in (header, payload))
        signed = b".".join(urlsafe_b64encode(segment.encode()) for segment in segments)
        signature = JWSRegistry.algorithms[algorithm].sign(signed, key or self.key)
        return (signed + b"." + urlsafe_b64encode(signature)).decode()

    def close(self) -> None:
        self._closed.set()
        self.answering.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, request: Mapping[str, str], send: Callable[[bytes], object]) -> None:
        """Respond to a request with the response that was set when it arrived."""
        body = self.jwks() if self.body is None else self.body
        head = f"HTTP/1.0 {self.status} -\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        self.requests.append(request)
        self.asked.set()
        self.answering.wait()
        if self.drip == "headers":
            send(head.encode())
            self._drip(send)
        send(f"{head}\r\n".encode())
        if self.drip == "body":
            self._drip(send)
        send(body)

    def jwks(self) -> bytes:
        """The body with the published keys."""
        published = (key if isinstance(key, dict) else _public(key) for key in self.keys)
        return json.dumps({"keys": list(published)}).encode()

    def _drip(self, send: Callable[[bytes], object]) -> None:
        while not self._closed.wait(0.02):
            send(b"x")


def _present(members: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not ...}


def _public(key: object) -> object:
    if not isinstance(key, Key):
        return key
    return {**key.as_dict(private=False), "use": "sig"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, tenant: Tenant, certificate: trustme.LeafCert) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tenant = tenant
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self._context)

    def get_request(self) -> tuple[t.Any, t.Any]:
        connection, address = super().get_request()
        # The handshake happens at the first read, in the thread of the request.
        options: dict[str, t.Any] = {"server_side": True, "do_handshake_on_connect": False}
        return self._context.wrap_socket(connection, **options), address

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: tests have clients that hang up or do not trust the tenant."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        tenant = self.server.tenant
        tenant.answer({**self.headers, "path": self.path}, self.wfile.write)

    def log_message(self, *args: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="session")
def tenant_authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def tenant_trust(tenant_authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for SSL_CERT_FILE, with the authority of the tenants' certificates."""
    path = tmp_path_factory.mktemp("trust") / "authority.pem"
    tenant_authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="session")
def tenant_certificate(tenant_authority: trustme.CA) -> trustme.LeafCert:
    return tenant_authority.issue_cert("localhost", "127.0.0.1")


@pytest.fixture(scope="session")
def tenant_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "key-1"})


@pytest.fixture
def make_tenant(
    tenant_certificate: trustme.LeafCert,
    tenant_key: RSAKey,
    tenant_trust: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[], Tenant]]:
    """Make tenants that this process trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tenant_trust))
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    tenants: list[Tenant] = []

    def make() -> Tenant:
        tenants.append(Tenant(tenant_certificate, tenant_key))
        return tenants[-1]

    yield make
    for tenant in tenants:
        tenant.close()


@pytest.fixture
def tenant(make_tenant: Callable[[], Tenant]) -> Tenant:
    """A tenant that this process trusts."""
    return make_tenant()
