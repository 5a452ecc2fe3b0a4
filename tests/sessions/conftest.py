"""Stores, and apps with sessions. Their connections are closed after the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from flask_core_auth.sessions import SessionStore, open_store

from ..stores import close_store
from .app import make_session_app


@pytest.fixture
def open_sessions() -> Iterator[Callable[..., SessionStore]]:
    """Open stores."""
    stores: list[SessionStore] = []

    def opened(url: str, directory: str = "/") -> SessionStore:
        stores.append(open_store(url, directory=directory))
        return stores[-1]

    yield opened
    for store in stores:
        close_store(store)


@pytest.fixture
def store(open_sessions: Callable[..., SessionStore], store_url: str) -> SessionStore:
    return open_sessions(store_url)


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    """Make apps with sessions."""
    apps: list[Flask] = []

    def made(sessions: str, **config: object) -> Flask:
        apps.append(make_session_app(sessions, instance_path=str(tmp_path / "instance"), **config))
        return apps[-1]

    yield made
    for app in apps:
        close_store(app.extensions["core_auth"].sessions._store)
