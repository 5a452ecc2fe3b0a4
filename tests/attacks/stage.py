"""The stage of the corpus: a real server, the apps of the cases, a tenant, and a standing clock."""

from __future__ import annotations

import json
import threading
import typing as t
from collections.abc import Callable, Mapping
from pathlib import Path

from flask import Blueprint, Flask
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.serving import WSGIRequestHandler, make_server

from flask_core_auth import CoreAuth, auth_exempt, auth_required, current_identity

from ..apps import PASSWORD, SECRET, USERNAME, Clock, add_jwt_required_routes
from ..forge import CORE_SECRET, OTHER_SECRET
from ..stores import close_store
from ..tenant import Tenant
from .filling import fill
from .keys import PUBLISHED, public_jwk

#: Between two cases: longer than any window of a limit and any pause that a case may leave.
SECONDS_BETWEEN_CASES = 3600
FALLBACK_SECRET = "the secret before this one: thirty-two bytes as well"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def _case_insensitive(core_auth: CoreAuth, app: Flask) -> None:
    @core_auth.password_verifier
    def verify(username: str, password: str) -> str | None:
        return username.lower() if password == PASSWORD else None


def _protect_app(core_auth: CoreAuth, app: Flask) -> None:
    core_auth.protect(app)


#: What the host app adds; a case names it in its config as ``"host"``.
HOSTS: Mapping[str, Callable[[CoreAuth, Flask], None]] = {
    "case-insensitive verifier": _case_insensitive,
    "protect the app": _protect_app,
    "jwt_required": lambda core_auth, app: add_jwt_required_routes(app),
}


class Stage:
    """Serves the app of one case at a time.

    :param make_tenant: starts a tenant; called at the first case that needs one.
    :param directory: an empty directory, for session stores.
    :ivar port: the port of the server.
    :ivar reached: the paths of the protected views that were called.
    """

    def __init__(self, make_tenant: Callable[[], Tenant], directory: Path) -> None:
        self.clock = Clock()
        self.reached: list[str] = []
        self._make_tenant = make_tenant
        self._tenant: Tenant | None = None
        self._directory = directory
        self._apps: dict[str, Flask] = {}
        self._fresh: Flask | None = None
        self._app: Callable[..., t.Any] | None = None
        self._peer: str | None = None
        self._server = make_server("127.0.0.1", 0, self._serve, threaded=True, request_handler=_Handler)
        self.port = self._server.port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def tenant(self) -> Tenant:
        if self._tenant is None:
            self._tenant = self._make_tenant()
            self._tenant.keys = [public_jwk(name) for name in PUBLISHED]
        return self._tenant

    def set_up(self, config: Mapping[str, t.Any] | None, *, fresh: bool = False) -> Flask:
        """Serve the app with these changes of the config from now on, and move the clock.

        :param fresh: make a new app, without the counters, sessions and cached keys of other cases.
        """
        config = dict(config or {})
        name = json.dumps(config, sort_keys=True)
        self.clock.move(SECONDS_BETWEEN_CASES)
        self.reached.clear()
        if fresh:
            if self._fresh is not None:
                _close(self._fresh)
            app = self._fresh = self._make_app(config)
        else:
            if name not in self._apps:
                self._apps[name] = self._make_app(config)
            app = self._apps[name]
        self._peer = config.get("peer")
        proxies = config.get("proxies", 0)
        self._app = ProxyFix(app, x_for=proxies, x_proto=proxies) if proxies else app
        return app

    def values(self) -> dict[str, str]:
        """Values that cases may name in braces, in their config and their requests."""
        values = {
            "username": USERNAME,
            "password": PASSWORD,
            "secret": SECRET,
            "fallback_secret": FALLBACK_SECRET,
            "other_secret": OTHER_SECRET,
            "core_secret": CORE_SECRET,
            "port": str(self.port),
        }
        if self._tenant is not None:
            values |= {
                "tenant": self.tenant.domain,
                "tenant_port": self.tenant.domain.partition(":")[2],
                "tenant_issuer": self.tenant.issuer,
            }
        return values

    def _make_app(self, config: Mapping[str, t.Any]) -> Flask:
        changes = dict(config)
        host, without, tenant = (changes.pop(name, None) for name in ("host", "without", "tenant"))
        for name in ("proxies", "peer"):
            changes.pop(name, None)
        app, core_auth = Flask(__name__), CoreAuth()
        store = self._directory / f"sessions-{len(list(self._directory.iterdir()))}.db"
        settings: dict[str, t.Any] = {
            "API_AUTH_USERNAME": USERNAME,
            "API_AUTH_PASSWORD": PASSWORD,
            "API_AUTH_JWT_SECRET": SECRET,
        }
        if tenant is not None:
            tenants = [tenant] if isinstance(tenant, Mapping) else tenant
            settings["API_AUTH_AUTH0_ENABLE"] = True
            settings["API_AUTH_AUTH0_TENANTS"] = [self.tenant.settings(**one) for one in tenants]
        settings = fill(settings | changes, {**self.values(), "sqlite": f"sqlite:///{store}"})
        app.config.update({key: settings[key] for key in settings if key not in (without or ())})
        if "sqlite" in str(settings.get("API_AUTH_SESSIONS")):
            store.touch()
        app.register_blueprint(core_auth)
        self._add_views(core_auth, app)
        if host is not None:
            HOSTS[host](core_auth, app)
        return app

    def _add_views(self, core_auth: CoreAuth, app: Flask) -> None:
        def who(rest: str = "") -> dict[str, t.Any]:
            self.reached.append(rest)
            return {
                "subject": current_identity.subject,
                "idp": current_identity.idp,
                "scopes": sorted(current_identity.scopes),
                "authenticated": current_identity.authenticated,
            }

        guarded = Blueprint("guarded", __name__, url_prefix="/guarded")
        core_auth.protect(guarded)
        routes: tuple[tuple[Flask | Blueprint, str, Callable[..., t.Any]], ...] = (
            (app, "/open", lambda: "open"),
            (app, "/who", auth_required(who)),
            (app, "/who/", auth_required(who)),
            (app, "/who/<path:rest>", auth_required(who)),
            (app, "/fresh", auth_required(fresh=True)(who)),
            (app, "/optional", auth_required(optional=True)(who)),
            (app, "/scoped", auth_required(scopes=["edit"])(who)),
            (app, "/options", auth_required(scopes=["edit"])(who)),
            (guarded, "/options", who),
            (guarded, "/who", who),
            (guarded, "/slash/", who),
            (guarded, "/files/<path:rest>", who),
            (guarded, "/exempt", auth_exempt(lambda: "exempt")),
        )
        for scaffold, rule, view in routes:
            # Flask answers OPTIONS by itself, unless a view lists the method.
            methods = (*METHODS, "OPTIONS") if rule == "/options" else METHODS
            scaffold.add_url_rule(rule, rule.replace("/", "_"), view, methods=methods)
        app.register_blueprint(guarded)

    def _serve(self, environ: t.Any, start_response: t.Any) -> t.Any:
        assert self._app is not None
        if self._peer is not None:
            environ["REMOTE_ADDR"] = self._peer
        return self._app(environ, start_response)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for app in (*self._apps.values(), self._fresh):
            if app is not None:
                _close(app)
        if self._tenant is not None:
            self._tenant.close()


def _close(app: Flask) -> None:
    sessions = app.extensions["core_auth"].sessions
    if sessions is not None:
        close_store(sessions._store)


class _Handler(WSGIRequestHandler):
    def log(self, *args: t.Any, **options: t.Any) -> None:
        """Print nothing."""
