"""Run the code blocks of docs/api.md, and check its claims."""

from __future__ import annotations

import re

from blinker import NamedSignal
from flask import Blueprint

import flask_core_auth
from flask_core_auth import AuthError, CoreAuth, errors, signals

from .blocks import Page


def test_names_of_the_package_are_listed(page: Page) -> None:
    page.run("names")
    assert set(flask_core_auth.__all__) <= set(page.namespace)
    for name in flask_core_auth.__all__:
        assert f"flask_core_auth.{name}" in page.text, name


def test_all_errors_are_listed_with_their_status(page: Page) -> None:
    listed = dict(
        row.strip("| `").replace("`", "").split(" | ")
        for row in page.text.partition("| exception |")[2].partition("\n\n")[0].splitlines()[2:]
    )
    known = {
        name: str(error.code)
        for name, error in vars(errors).items()
        if isinstance(error, type) and issubclass(error, AuthError) and error.code
    }
    assert listed == known


def test_all_methods_of_the_blueprint_are_listed(page: Page) -> None:
    (listed,) = re.findall(r"CoreAuth\n   :members: (.*)\n", page.text)
    methods = {name for name in vars(CoreAuth) if name[0] != "_" and not hasattr(Blueprint, name)}
    assert set(listed.split(", ")) == methods


def test_receiver_hears_of_a_failed_login(page: Page) -> None:
    page.run("signals")
    app = page["app"]
    heard = []
    app.logger.warning = lambda *message: heard.append(message)
    app.config["API_AUTH_JWT_SECRET"] = "made-with-flask-core-auth-generate-secret"
    app.register_blueprint(CoreAuth())
    app.test_client().post("/api/login", json={"username": "admin", "password": "x"})
    assert heard == [("Somebody cannot get in: %s", "Wrong username or password")]


def test_all_signals_are_listed(page: Page) -> None:
    for name, signal in vars(signals).items():
        assert not isinstance(signal, NamedSignal) or f"\n.. autodata:: {name}\n" in page.text, name
