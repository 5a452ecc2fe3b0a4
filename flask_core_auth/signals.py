"""What a host can listen to, with blinker, as to Flask's own signals.

::

    from flask_core_auth.signals import refresh_reused

    @refresh_reused.connect_via(app)
    def warn(app, subject, session, **more):
        ...

Each is sent with the app and, as keywords, with what is named here; never with a password or a token. A
receiver runs within the request, before its answer is sent: it may look at :data:`flask.request`, and what
it raises breaks the request, as with Flask's own. Receivers should take ``**more``: later versions may
send more.
"""

from __future__ import annotations

import typing as t

from blinker import NamedSignal, Namespace
from flask import current_app

_signals = Namespace()

#: A login was accepted: ``subject``, ``idp`` and ``session``, the session's ID (None without sessions).
logged_in = _signals.signal("logged-in")
#: A login was decided and refused: ``username`` as it was sent (None for a bearer token) and ``detail``.
login_failed = _signals.signal("login-failed")
#: A new access token was had for a refresh token: ``subject``, ``idp`` and ``session``.
token_refreshed = _signals.signal("token-refreshed")
#: A session was ended, by its subject or by the app: ``subject``, ``idp`` and ``session``. One for each.
logged_out = _signals.signal("logged-out")
#: A spent refresh token came again, and its session was ended for it: ``subject``, ``idp`` and
#: ``session``.
refresh_reused = _signals.signal("refresh-reused")


def send(signal: NamedSignal, **values: t.Any) -> None:
    """Send one of these signals with the current app."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # typed as what it stands for
    signal.send(app, _async_wrapper=app.ensure_sync, **values)
