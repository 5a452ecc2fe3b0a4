"""``GET <prefix>/login/refresh``: exchange a refresh token for a new access token."""

from __future__ import annotations

import logging
import typing as t
from dataclasses import replace

from flask import request
from werkzeug.exceptions import MethodNotAllowed

from ..callbacks import REJECTIONS
from ..protection import mark_exempt
from ..rejections import log_rejection
from ..signals import send, token_refreshed
from ..state import State
from ..transport import missing_token, read_token, tokens_response

if t.TYPE_CHECKING:
    from flask import Response


logger = logging.getLogger("flask_core_auth")


@mark_exempt
def refresh() -> Response:
    """Exchange a refresh token for an access token, and with rotation for a new refresh token, too."""
    if request.method == "HEAD":  # its response has no body: a rotated token would be lost
        raise MethodNotAllowed(["GET", "OPTIONS"])
    state = State.current()
    try:
        sent = read_token(state.tokens, state.config.realm, "refresh", request.environ)
        if sent is None:
            raise missing_token(state.config.realm, request.environ)
        token, location = sent
        grant = state.grants.exchange(token)
    except REJECTIONS as error:
        log_rejection(error)
        raise
    # A script on the page (XSS) cannot read the cookies. It must not get the tokens from the body either.
    body = not (state.config.cookies and location == "cookies")
    response = tokens_response(grant.tokens, cookies=state.config.cookies, body=body)
    # The frame that sends the signal has no tokens: if a receiver raises, an error tracker stores the local
    # variables of each frame.
    grant = replace(grant, tokens={})
    identity = grant.identity
    logger.info("Refresh of %r (%s) from %s", identity.subject, identity.idp, request.remote_addr)
    send(token_refreshed, subject=identity.subject, idp=identity.idp, session=grant.session)
    return response
