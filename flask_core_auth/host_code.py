"""Running the code that an app hands to us: its loaders, its password check."""

from __future__ import annotations

import contextlib
import logging
import typing as t

from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import PyJWTError
from werkzeug.exceptions import HTTPException

from .errors import ServiceUnavailableError

if t.TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("flask_core_auth")

#: When a failure of the app's own code may be over, in seconds.
RETRY_AFTER = 5


@contextlib.contextmanager
def host_code(name: str) -> Iterator[None]:
    """Run code of the app's. What it refuses passes; where it fails, nobody is let in.

    :param name: what is run, for the log.
    :raises ServiceUnavailableError: if it raises anything that is not an answer of its own.
    """
    try:
        yield
    except (HTTPException, JWTExtendedException, PyJWTError):
        raise
    except Exception as error:  # the app's code may raise anything
        logger.exception("The app's %s failed", name)
        raise ServiceUnavailableError(
            "A check of the application failed", retry_after=RETRY_AFTER
        ) from error
