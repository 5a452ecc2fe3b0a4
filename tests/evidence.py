"""All that a run shows: texts with their source, and the search for secrets in them, in every encoding."""

from __future__ import annotations

import base64
import contextlib
import gc
import json
import logging
import traceback
import typing as t
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus

from .frames import MASKED, PACKAGE, frames_of


class Evidence(logging.Handler):
    """Texts that were printed, logged, raised or shown.

    As a handler of the root logger, it takes every record.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[tuple[str, str]] = []

    def add(self, source: str, *values: object) -> None:
        """Add texts; of another object, its ``repr()``."""
        self.texts += ((source, value if isinstance(value, str) else repr(value)) for value in values)

    def emit(self, record: logging.LogRecord) -> None:
        self.add(f"log of {record.name}", record.getMessage())
        if record.exc_info and record.exc_info[1]:
            self.add_error(f"error in the log of {record.name}", record.exc_info[1])

    def add_error(self, source: str, error: BaseException, *, frames: bool = True) -> None:
        """Add what is shown of an exception, its causes and contexts.

        :param frames: whether to add the local variables of its frames.
        """
        self.add(source, "".join(traceback.format_exception(error)))
        chain: BaseException | None = error
        while chain is not None:
            self.add(source, str(chain), repr(chain), chain.args)
            if type(chain).__module__.startswith("flask_core_auth"):
                self.add(source, vars(chain))
            chain = chain.__cause__ or chain.__context__
        if frames:
            self.add_frames(source, frames_of(error))

    def add_frames(self, source: str, frames: t.Iterable[t.Any]) -> None:
        """Add the local variables of frames of flask-core-auth, as ``capture_locals=True`` shows them."""
        for frame in frames:
            if frame.f_code.co_filename.startswith(PACKAGE):
                for name, value in frame.f_locals.items():
                    if name not in MASKED:
                        self.add(f"{source}, {name} in {frame.f_code.co_name}()", value)

    def add_objects(self) -> None:
        """Add the ``repr()`` of every object of flask-core-auth."""
        for value in gc.get_objects():
            if str(type(value).__module__).startswith("flask_core_auth"):
                self.add(f"repr of {type(value).__qualname__}", value)

    @contextlib.contextmanager
    def of_logs(self) -> Iterator[None]:
        """Take the records of every logger, at every level."""
        root = logging.getLogger()
        own = [logger for logger in root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
        levels = [(logger, logger.level) for logger in (root, *own)]
        root.addHandler(self)
        root.setLevel(logging.DEBUG)
        for logger in own:
            logger.setLevel(logging.NOTSET)
        try:
            yield
        finally:
            root.removeHandler(self)
            for logger, level in levels:
                logger.setLevel(level)

    def leaks(self, secrets: Mapping[str, str]) -> set[str]:
        """Return the secrets that were shown: their names, encodings and sources."""
        wanted = [
            (f"{name}, {encoding}", form)
            for name, secret in secrets.items()
            for encoding, form in encodings(secret)
        ]
        return {
            f"{what}: {source}"
            for source, text in set(self.texts)
            for what, form in wanted
            if form in text or ("percent" in what and form.lower() in text.lower())
        }


def encodings(secret: str) -> list[tuple[str, str]]:
    """Return the forms of a secret that somebody could read it from: pairs of a name and a text."""
    quoted = {
        "raw": secret,
        "JSON": json.dumps(secret)[1:-1],
        "JSON in UTF-8": json.dumps(secret, ensure_ascii=False)[1:-1],
        "repr": repr(secret)[1:-1],
        "repr of bytes": repr(secret.encode())[2:-1],
    }
    return [
        *quoted.items(),
        *((f"{name}, quoted again", form.replace("\\", "\\\\")) for name, form in quoted.items()),
        ("percent-encoded", quote(secret, safe="")),
        ("percent-encoded path", quote(secret)),
        ("percent-encoded form", quote_plus(secret)),
        *(("base64", form) for form in _base64(secret)),
    ]


def _base64(secret: str) -> Iterator[str]:
    # Base64 encodes three bytes together, so that a text in the middle of another one has three forms. The
    # letters at its ends also depend on its neighbours.
    data = secret.encode()
    for before in range(3):
        size = (before + len(data)) // 3 * 3
        encoded = base64.b64encode((b"\0" * before + data)[:size]).decode()[4 if before else 0 :]
        yield encoded
        yield encoded.replace("+", "-").replace("/", "_")
