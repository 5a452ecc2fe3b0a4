"""Running the code that an app hands to us: its loaders, its password check."""

from __future__ import annotations

import contextlib
import logging
import typing as t

from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import ExpiredSignatureError, InvalidTokenError
from werkzeug.exceptions import HTTPException

from .errors import ServiceUnavailableError

if t.TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("flask_core_auth")

#: What is answered as it is raised: refusals of ours, of the app, and what flask-jwt-extended answers.
REFUSALS = (HTTPException, JWTExtendedException, InvalidTokenError)
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
    except Exception as error:  # the app's code may raise anything
        # flask-jwt-extended answers this one only with what it adds where it has decoded the token itself.
        unanswered = isinstance(error, ExpiredSignatureError) and not hasattr(error, "jwt_data")
        if isinstance(error, REFUSALS) and not unanswered:
            raise
        logger.exception("The app's %s failed", name)
        raise ServiceUnavailableError(
            "A check of the application failed", retry_after=RETRY_AFTER
        ) from error
