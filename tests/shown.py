"""What all tests together log and raise, for the last test: no secret of the tests, and no token."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import typing as t
from collections.abc import Iterator
from unittest import mock

from flask_core_auth import AuthError, ConfigError
from flask_core_auth.client import CoreClientError

from .apps import PASSWORD, SECRET
from .client.server import CoreServer
from .evidence import encodings
from .forge import CORE_SECRET, OTHER_SECRET
from .frames import TOKEN

SECRETS = (PASSWORD, SECRET, OTHER_SECRET, CORE_SECRET, CoreServer.password)
_FORMS = tuple({form for secret in SECRETS for _, form in encodings(secret)})
_LOGGER = logging.getLogger("flask_core_auth")


class Shown:
    """The log lines, at every level, and the texts of errors that have a secret or a token.

    :ivar leaks: each with the test that ran.
    """

    def __init__(self) -> None:
        self.leaks: list[str] = []

    def add(self, source: str, text: str) -> None:
        if TOKEN.search(text) or any(form in text for form in _FORMS):
            self.leaks.append(f"{os.environ.get('PYTEST_CURRENT_TEST')}: {source}: {text[:300]}")

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the logger of the package and its errors. No level changes: tests look at the log, too."""
        with contextlib.ExitStack() as stack:
            for name in ("debug", "info", "warning", "error", "exception"):
                stack.enter_context(mock.patch.object(_LOGGER, name, self._watched_log(name)))
            for error in (AuthError, ConfigError, CoreClientError):
                stack.enter_context(mock.patch.object(error, "__init__", self._watched_error(error)))
            yield

    def _watched_log(self, name: str) -> t.Callable[..., None]:
        log = getattr(_LOGGER, name)

        def watched(message: str, *arguments: object, **options: t.Any) -> None:
            self.add("log", message % arguments if arguments else message)
            log(message, *arguments, **{**options, "stacklevel": options.get("stacklevel", 1) + 1})

        return watched

    def _watched_error(self, error: type[Exception]) -> t.Callable[..., None]:
        init = error.__init__

        @functools.wraps(init)
        def watched(raised: Exception, *arguments: t.Any, **options: t.Any) -> None:
            init(raised, *arguments, **options)
            self.add(type(raised).__name__, f"{raised} {raised!r} {vars(raised)}")

        return watched
