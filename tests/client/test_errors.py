"""The exceptions of the client."""

from __future__ import annotations

import copy

import httpx2
import pytest

from flask_core_auth.client import CoreClientError, LoginError, RefreshError

from .conftest import Connect
from .server import LOGIN, CoreServer, responds


def test_login_and_refresh_errors_are_client_errors_but_no_httpx2_errors() -> None:
    assert issubclass(LoginError, CoreClientError)
    assert issubclass(RefreshError, CoreClientError)
    assert not issubclass(CoreClientError, httpx2.HTTPError)


@pytest.mark.parametrize(
    "text",
    [
        "\x1b]0;title\x07\x1b[2J",
        "line\r\nline\u2028\u2029\x85line",
        "\u202eright to left\u2066\u200f",
        "\x00\x7f\x9b zero\u200bwidth \ufeff",
        "\ud800 alone",
    ],
    ids=ascii,
)
def test_error_of_a_login_is_printable(
    server: CoreServer, connect: Connect, credentials: dict[str, str], text: str
) -> None:
    server.faults[LOGIN] = responds(400, {"details": [text, "plain é 漢"]})

    with pytest.raises(LoginError) as caught:
        connect(server.url, **credentials)

    assert str(caught.value).isprintable()
    shown, plain = caught.value.details
    assert shown.isprintable()
    assert plain == "plain é 漢"


@pytest.mark.parametrize(
    "details",
    [["x" * 30_000], ["x" * 600] * 50, ["é"] * 5000, [""] * 10_000, ["\x1b" * 1001]],
    ids=lambda details: f"{len(details)} x {len(details[0])}",
)
def test_error_of_a_login_has_at_most_a_thousand_characters(
    server: CoreServer, connect: Connect, credentials: dict[str, str], details: list[str]
) -> None:
    server.faults[LOGIN] = responds(400, {"details": details})

    with pytest.raises(LoginError) as caught:
        connect(server.url, **credentials)

    assert len(str(caught.value)) <= 1000
    assert len(";".join(caught.value.details)) <= 1000


def test_text_of_a_thousand_characters_is_complete() -> None:
    assert str(CoreClientError("x" * 1000)) == "x" * 1000
    assert str(CoreClientError("x" * 1001)) == "x" * 999 + "…"


def test_copy_of_an_error_is_equal() -> None:
    """Threads that wait for a login get copies of its error."""
    error = LoginError("a\nb", status=400, details=("c\nd",), retry_after=5.0)

    copied = copy.copy(error)

    assert (str(copied), vars(copied)) == (str(error), vars(error))
