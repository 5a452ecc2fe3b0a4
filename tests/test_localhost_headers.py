"""Headers of proxies that end the localhost bypass."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "X-Forwarded-Port",
        "X-Forwarded-Server",
        "X-Forwarded-Ssl",
        "X-Forwarded-Prefix",
        "X-Forwarded-Anything-New",
        "X-Original-Forwarded-For",
        "True-Client-IP",
        "X-Cluster-Client-IP",
        "Fastly-Client-IP",
        "X-Envoy-External-Address",
    ],
)
def test_request_with_a_proxy_s_header_needs_a_token(make_app, name):
    client = make_app(API_AUTH_DISABLE_LOCALHOST=True).test_client()
    assert client.get("/who").status_code == 200
    assert client.get("/who", headers={name: "127.0.0.1"}).status_code == 401
