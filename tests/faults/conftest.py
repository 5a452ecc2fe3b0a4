from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from ..gunicorn import Gunicorn

Serve = Callable[..., Gunicorn]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve apps with gunicorn and eight threads; ``environ`` has further environment variables.

    Keywords are config keys without their ``API_AUTH_``.
    """
    servers: list[Gunicorn] = []

    def served(environ: dict[str, str] | None = None, **config: object) -> Gunicorn:
        variables = {"CONFIG": json.dumps({"LOGIN_LIMIT": "none", **config}), **(environ or {})}
        servers.append(
            Gunicorn("tests.faults.served:app", ready="/open", workers=1, threads=8, **variables)
        )
        return servers[-1]

    yield served
    for server in servers:
        server.stop()
