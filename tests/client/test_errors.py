"""The exceptions of the client."""

from __future__ import annotations

import httpx2

from flask_core_auth.client import CoreClientError, LoginError, RefreshError


def test_login_and_refresh_errors_are_client_errors_but_no_httpx2_errors() -> None:
    assert issubclass(LoginError, CoreClientError)
    assert issubclass(RefreshError, CoreClientError)
    assert not issubclass(CoreClientError, httpx2.HTTPError)
