"""Signals that an app can listen to, with blinker, like Flask's own signals.

::

    from flask_core_auth.signals import refresh_reused

    @refresh_reused.connect_via(app)
    def warn(app, subject, session, **more):
        ...

Each signal is sent with the app and, as keywords, with the values that are named here; never with a
password or a token. A receiver runs within the request, before the response is sent: it may use
:data:`flask.request`, and an exception that it raises breaks the request, as with Flask's own signals.
Receivers should take ``**more``: later versions may send more.
"""

from __future__ import annotations

import typing as t

from blinker import NamedSignal, Namespace
from flask import current_app

_signals = Namespace()

#: A login was accepted: ``subject``, ``idp`` and ``session``, the session's ID (None without sessions).
logged_in = _signals.signal("logged-in")
#: A login was rejected: ``username`` as it was sent (None for a bearer token) and ``detail``.
login_failed = _signals.signal("login-failed")
#: A refresh token was exchanged for a new access token: ``subject``, ``idp`` and ``session``.
token_refreshed = _signals.signal("token-refreshed")
#: A session was ended, by its subject, by the app, or by a login past ``API_AUTH_SESSION_LIMIT``:
#: ``subject``, ``idp`` and ``session``. Sent once for each session.
logged_out = _signals.signal("logged-out")
#: A rotated refresh token was used again within the grace, and was accepted: ``subject``, ``idp`` and
#: ``session``. A client has refreshed twice at the same time or has lost a response, or the token was
#: stolen.
refresh_repeated = _signals.signal("refresh-repeated")
#: A rotated refresh token was used again after the grace, so its session was ended: ``subject``, ``idp``
#: and ``session``.
refresh_reused = _signals.signal("refresh-reused")


def send(signal: NamedSignal, **values: t.Any) -> None:
    """Send a signal with the current app as its sender."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # typed as the proxy's target
    signal.send(app, _async_wrapper=app.ensure_sync, **values)
