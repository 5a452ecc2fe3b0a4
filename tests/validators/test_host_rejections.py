"""A ``password_verifier`` that names a configured user, or rejects with a status of its own."""

from __future__ import annotations

import logging

import pytest
from flask import abort

from flask_core_auth import CoreAuth, Identity

from ..apps import post_login


@pytest.mark.parametrize(
    "returned", ["admin", Identity("admin"), Identity("admin", "local", frozenset("*"))]
)
def test_login_is_rejected_if_the_verifier_returns_a_configured_user(make_app, caplog, returned):
    core_auth = CoreAuth()
    core_auth.password_verifier(lambda username, password: returned)
    with caplog.at_level(logging.ERROR, "flask_core_auth"):
        response = post_login(make_app(core_auth), "ADMIN", "any password")
    assert response.status_code == 403
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "'admin', a user of the config" in record.getMessage()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_each_rejection_by_the_verifier_counts_as_a_failed_login(make_app, status):
    core_auth = CoreAuth()
    core_auth.password_verifier(lambda username, password: abort(status))
    app = make_app(core_auth, API_AUTH_LOGIN_LIMIT="3/minute")
    statuses = [post_login(app, "somebody", "guess").status_code for _ in range(5)]
    assert statuses == [status, status, status, 429, 429]


@pytest.mark.parametrize("status", [500, 503])
def test_failure_of_the_verifier_does_not_count_as_a_failed_login(make_app, status):
    core_auth = CoreAuth()
    core_auth.password_verifier(lambda username, password: abort(status))
    app = make_app(core_auth, API_AUTH_LOGIN_LIMIT="3/minute")
    assert [post_login(app, "somebody", "guess").status_code for _ in range(5)] == [status] * 5
