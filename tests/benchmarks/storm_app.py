"""The app that gunicorn serves to a login storm: ``tests.benchmarks.storm_app:app``."""

from __future__ import annotations

import logging
import os

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.security import generate_password_hash

from flask_core_auth import CoreAuth, auth_required

from ..apps import PASSWORD, SECRET, USERNAME

logging.getLogger("flask_core_auth").setLevel(logging.ERROR)
app = Flask(__name__)
app.config.update(
    API_AUTH_USERNAME=USERNAME,
    API_AUTH_PASSWORD=generate_password_hash(PASSWORD, "scrypt"),
    API_AUTH_JWT_SECRET=SECRET,
    # Guesses from many addresses pass this limit, so it is not part of the benchmark.
    API_AUTH_LOGIN_LIMIT=None,
    API_AUTH_LOGIN_CONCURRENCY=int(os.environ["CONCURRENCY"]),
)
app.register_blueprint(CoreAuth())
app.add_url_rule("/protected", "protected", auth_required(lambda: "ok"))
# Each client names its address in X-Forwarded-For.
app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
