"""Examining an app's settings, for ``flask core-auth check``."""

from __future__ import annotations

import re
import secrets
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from werkzeug.middleware.proxy_fix import ProxyFix

from .config import SETTINGS, unknown_keys
from .errors import ConfigError, ServiceUnavailableError
from .identity import ANONYMOUS
from .jwt_extended import CoreJWTManager
from .protection import BARE_MARK, EXEMPT_MARK, PROTECTED_MARK, authorize_request
from .state import KEY, State

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask

    from .config.settings import Setting

MASK = "********"
SETTINGS_BY_KEY = {setting.key: setting for setting in SETTINGS}
#: Secrets of at least 32 bytes in the examples of the documentation. Everybody knows them.
PRINTED_SECRETS = (
    "made-with-flask-core-auth-generate-secret",
    "a-secret-for-tests-of-at-least-32-bytes",
    "the-secret-of-your-own-manager-32-bytes",
    "another-secret-of-at-least-32-bytes",
    "the-old-secret-of-at-least-32-bytes",
    "the-new-secret-of-at-least-32-bytes",
)
#: Longer values are cut short in the table, in characters.
SHOWN_LENGTH = 48


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """One setting, as the report shows it.

    :param key: the key in ``app.config``.
    :param value: the value, masked where it is a secret.
    :param origin: ``"set"``, ``"default"``, or the key that it is derived from.
    """

    key: str
    value: str
    origin: str


@dataclass(slots=True)
class Report:
    """The result of an examination.

    :param errors: problems that keep the app from working.
    :param warnings: settings that are valid but risky.
    :param settings: every setting.
    :param tenants: the keys of each tenant, by its domain.
    """

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    settings: list[ShownSetting] = field(default_factory=list)
    tenants: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, t.Any]:
        """Return the report for a program."""
        return {
            "ok": not self.errors,
            "errors": self.errors,
            "warnings": self.warnings,
            "settings": {
                shown.key: {"value": shown.value, "origin": shown.origin} for shown in self.settings
            },
            "tenants": self.tenants,
        }

    def as_text(self) -> str:
        """Return the report for a person."""
        rows = [(shown.key, _cut(shown.value), shown.origin) for shown in self.settings]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        lines += [f"Keys of {domain}: {found}" for domain, found in self.tenants.items()]
        lines += [f"Warning: {warning}" for warning in self.warnings]
        lines += [f"Error: {error}" for error in self.errors]
        if not self.errors:
            lines.append("The settings can be used.")
        return "\n".join(lines)


def examine(load_app: Callable[[], Flask]) -> Report:
    """Load an app, and examine its use of flask-core-auth.

    :param load_app: makes the app; if it raises a :exc:`ConfigError`, the report has its problems.
    """
    report = Report()
    try:
        app = load_app()
    except ConfigError as error:
        report.errors += (f"{key} {problem}" for key, problem in error.problems)
        return report
    if KEY not in app.extensions:
        report.errors.append("No CoreAuth is registered on this app: app.register_blueprint(CoreAuth())")
        return report
    state: State = app.extensions[KEY]
    report.settings += (_show(setting, app.config) for setting in SETTINGS)
    report.warnings += _warnings(app, state)
    report.errors += _unreachable(state)
    if state.config.tenants:
        from .validators.jwks import TenantKeys  # Imported late: slow, and only needed with tenants.

        for tenant in state.config.tenants:
            try:
                found = TenantKeys(tenant.jwks_uri).published()
            except ServiceUnavailableError:
                report.tenants[tenant.domain] = "none"
                report.errors.append(f"{tenant.domain}: no keys can be fetched from {tenant.jwks_uri}")
                continue
            report.tenants[tenant.domain] = ", ".join(
                f"{kid} ({'/'.join(algorithms)})" for kid, algorithms in found.items()
            )
            usable = {name for algorithms in found.values() for name in algorithms}
            if not usable & tenant.algorithms:
                report.errors.append(
                    f"{tenant.domain}: publishes no key for {', '.join(sorted(tenant.algorithms))}"
                )
    return report


def _cut(value: str) -> str:
    return value if len(value) <= SHOWN_LENGTH else value[: SHOWN_LENGTH - 3] + "..."


def _show(setting: Setting, config: Mapping[str, object]) -> ShownSetting:
    source = setting.source(config)
    if source is None:
        return ShownSetting(setting.key, _plain(setting.default), "default")
    origin = "set" if source == setting.key else f"from {source}"
    return ShownSetting(setting.key, _display(setting, config[source]), origin)


def _display(setting: Setting, value: object) -> str:
    # By the kind of the setting, not by the form of its value: any secret may contain "://".
    if setting.url:
        return _place(value)
    return MASK if setting.secret else _plain(value)


def _plain(value: object) -> str:
    return "-" if value is None or value == () or value == {} else str(value)


def _place(url: object) -> str:
    """Return the scheme, host, port and path of a URL. User, password, query and fragment are left out."""
    try:
        parts = urlsplit(str(url))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return MASK
    # A password that is not percent-encoded may be split anywhere: then an @ is left behind the host.
    if "@" in parts.path + parts.query + parts.fragment or not re.fullmatch(r"[A-Za-z0-9._:-]*", host):
        return MASK
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}{parts.path}"


def _without_secrets(message: str, url: str) -> str:
    """Return a store's error on one line, without the password of its URL in any encoding."""
    password = urlsplit(url).password or ""
    for secret in sorted({password, unquote(password), quote(unquote(password), safe="")} - {""}, key=len):
        message = message.replace(secret, MASK)
    return " ".join(message.split())


def _unreachable(state: State) -> Iterator[str]:
    """Yield the stores that do not respond: the app would learn it only at its first login."""
    if state.sessions is not None:
        try:
            state.sessions.is_live(secrets.token_urlsafe(16), ANONYMOUS)
        except ServiceUnavailableError as error:
            reason = _without_secrets(str(error.__cause__), state.config.sessions or "")
            yield f"API_AUTH_SESSIONS: the store does not respond: {reason}"
    if not state.throttle.is_reachable():
        yield "API_AUTH_LIMIT_STORAGE: the storage does not respond"


def _warnings(app: Flask, state: State) -> Iterator[str]:
    """Yield settings that are valid but risky; in debug mode only those that are risky there."""
    config = state.config
    if not config.enable:
        yield "API_AUTH_ENABLE is false: every route is open to everybody"
    if config.disable_localhost:
        yield (
            "API_AUTH_DISABLE_LOCALHOST is true: behind a proxy on this machine everybody may count as"
            " local"
        )
    yield from (f"{key} {problem}" for key, problem in unknown_keys(app.config))
    if not config.tenants and SETTINGS_BY_KEY["API_AUTH_AUTH0_TENANTS"].source(app.config):
        yield "API_AUTH_AUTH0_TENANTS is set, but API_AUTH_AUTH0_ENABLE is not true: no tenant is used"
    yield from _open_views(app)
    for tenant in config.tenants:
        if not tenant.users:
            yield f"{tenant.domain} has no users: nobody can log in with its tokens"
    if not state.validators.can_log_in:
        yield "Nobody can log in: there is no user, no tenant and no password_verifier"
    if config.sessions is not None and not isinstance(state.callbacks.manager, CoreJWTManager):
        yield (
            "The app has its own JWTManager, so jwt_required() does not look up the session: it accepts the"
            " tokens of an ended session until they expire. Use auth_required or protect()"
        )
    if app.debug:
        return
    if not set(config.secrets).isdisjoint(PRINTED_SECRETS):
        yield (
            "API_AUTH_JWT_SECRET or a fallback is printed in the documentation, so anybody can make"
            " tokens. Make a new secret with flask core-auth generate-secret"
        )
    plain = [name for name, user in config.users.items() if user.password.method == "plain"]
    if plain:
        yield (
            f"The password of {', '.join(plain)} is in plain text: hash it with flask core-auth"
            " hash-password"
        )
    if config.login_limit is None:
        yield "API_AUTH_LOGIN_LIMIT is None: passwords can be guessed as fast as they are checked"
    else:
        if config.limit_storage.startswith("memory"):
            yield (
                "API_AUTH_LIMIT_STORAGE is in memory: with several workers each of them counts for itself"
            )
        if not _behind_proxy_fix(app.wsgi_app):
            yield ("No ProxyFix: behind a proxy all clients have one address, and share one login limit")


def _open_views(app: Flask) -> Iterator[str]:
    """Yield the routes that look protected in the source but are open."""
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        is_protected = getattr(view, PROTECTED_MARK, False) or _is_under_protect(app, rule.endpoint)
        if getattr(view, BARE_MARK, False) and not is_protected:
            yield (
                f"{rule.rule} is open, though its view has @auth_required: that must stand below the route"
                " decorator"
            )
        elif is_protected and not getattr(rule, "provide_automatic_options", True):
            yield (
                f"{rule.rule} responds to OPTIONS itself, which needs no token: leave OPTIONS out of its"
                " methods, and Flask responds"
            )


def _is_under_protect(app: Flask, endpoint: str) -> bool:
    if getattr(app.view_functions[endpoint], EXEMPT_MARK, False):
        return False
    names: list[str | None] = [None]
    scope, _, _ = endpoint.rpartition(".")
    while scope:
        names.append(scope)
        scope, _, _ = scope.rpartition(".")
    return any(authorize_request in app.before_request_funcs.get(name, ()) for name in names)


def _behind_proxy_fix(wsgi_app: object) -> bool:
    # By convention, a middleware keeps the wrapped app in one of these attributes.
    seen: list[object] = []
    while wsgi_app is not None and wsgi_app not in seen:
        if isinstance(wsgi_app, ProxyFix):
            return True
        seen.append(wsgi_app)
        wsgi_app = getattr(wsgi_app, "app", getattr(wsgi_app, "wsgi_app", None))
    return False
