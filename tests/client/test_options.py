"""The types of the clients' keyword arguments."""

from __future__ import annotations

import inspect

import httpx2
import pytest

from flask_core_auth.client import AsyncCoreClient, CoreClient
from flask_core_auth.client.options import AsyncClientOptions, ClientOptions, ConnectOptions


@pytest.mark.parametrize(
    ("options", "client", "own"),
    [
        (ClientOptions, httpx2.Client, CoreClient),
        (AsyncClientOptions, httpx2.AsyncClient, AsyncCoreClient),
    ],
)
def test_options_are_parameters_of_httpx2_that_the_client_does_not_set(
    options: type, client: type, own: type
) -> None:
    names = set(options.__annotations__)

    assert names <= set(inspect.signature(client).parameters)
    assert not names & {*inspect.signature(own).parameters, "auth"}


def test_connect_accepts_the_parameters_of_the_async_client() -> None:
    parameters = set(inspect.signature(AsyncCoreClient).parameters) - {"base_url", "options"}

    assert set(ConnectOptions.__annotations__) == parameters | set(AsyncClientOptions.__annotations__)
