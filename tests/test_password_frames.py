"""Passwords in stack frames: error reporters record local variables, and mask them by name only."""

from __future__ import annotations

import traceback

from flask_core_auth.signals import login_failed

PASSWORD = "canary-that-no-frame-shows"


def test_no_frame_of_a_rejected_login_shows_the_validation_s_password(make_app):
    shown: list[str] = []

    def record(app, **values):
        for frame, _ in traceback.walk_stack(None):
            if "flask_core_auth" in frame.f_code.co_filename:
                shown.extend(repr(value) for name, value in frame.f_locals.items() if name == "validate")

    app = make_app()
    with login_failed.connected_to(record):
        response = app.test_client().post("/api/login", json={"username": "admin", "password": PASSWORD})
    assert response.status_code == 403
    assert shown
    assert not any(PASSWORD in text for text in shown)
