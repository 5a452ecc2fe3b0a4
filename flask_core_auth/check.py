"""Examining an app's settings, for ``flask core-auth check``."""

from __future__ import annotations

import secrets
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, field

from werkzeug.middleware.proxy_fix import ProxyFix

from .config import SETTINGS, unknown_keys
from .decorators import BARE_MARK, PROTECTED_MARK
from .errors import ConfigError, ServiceUnavailableError
from .jwt_extended import CoreJWTManager
from .state import KEY
from .throttle import storage_options

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask

    from .config import AuthConfig, Setting
    from .sessions import Sessions

MASK = "********"
SETTINGS_BY_KEY = {setting.key: setting for setting in SETTINGS}
#: Longer values are cut short in the table, in characters.
SHOWN_LENGTH = 48


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """One setting as it is shown.

    :param key: its config key.
    :param value: its value, masked where it is a secret.
    :param origin: ``"set"``, ``"default"``, or the key that it is derived from.
    """

    key: str
    value: str
    origin: str


@dataclass(slots=True)
class Report:
    """What an examination has found.

    :param errors: what is wrong.
    :param warnings: what works but will hurt.
    :param settings: every setting.
    :param tenants: for each tenant, what its keys are.
    """

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    settings: list[ShownSetting] = field(default_factory=list)
    tenants: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, t.Any]:
        """For a program to read."""
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
        """For a person to read."""
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
    """Load an app and examine what it has of us.

    :param load_app: makes the app; a :exc:`ConfigError` that it raises is part of the report.
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
    config: AuthConfig = app.extensions[KEY].config
    report.settings += (_shown(setting, app.config) for setting in SETTINGS)
    report.warnings += _warnings(app, config)
    report.errors += _unreachable(config, app.extensions[KEY].sessions)
    if config.tenants:
        from .validators.jwks import TenantKeys

        for tenant in config.tenants:
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


def _shown(setting: Setting, config: Mapping[str, object]) -> ShownSetting:
    source = setting.source(config)
    if source is None:
        return ShownSetting(setting.key, _text(setting.default, secret=False), "default")
    origin = "set" if source == setting.key else f"from {source}"
    return ShownSetting(setting.key, _text(config[source], secret=setting.secret), origin)


def _text(value: object, *, secret: bool) -> str:
    if not secret:
        return "-" if value is None or value == () or value == {} else str(value)
    if isinstance(value, Mapping):
        return ", ".join(str(name) for name in value)
    if isinstance(value, str) and "://" in value:
        # Who and what stands before the last @ and behind a ? may be or hold a password, however it is
        # written; where the store is, helps.
        scheme, _, rest = value.partition("://")
        before, _, place = rest.partition("?")[0].rpartition("@")
        return f"{scheme}://{MASK}@{place}" if before or "?" in rest else f"{scheme}://{place}"
    return MASK


def _unreachable(config: AuthConfig, sessions: Sessions | None) -> Iterator[str]:
    """What the app would find out at its first login: storage of sessions and of limits."""
    if sessions is not None:
        try:
            sessions.is_live(secrets.token_urlsafe(16))
        except ServiceUnavailableError as error:
            yield f"API_AUTH_SESSIONS: the store does not answer: {' '.join(str(error.__cause__).split())}"
    if config.login_limit is not None and not _limit_storage_answers(config.limit_storage):
        yield "API_AUTH_LIMIT_STORAGE: the storage does not answer"


def _limit_storage_answers(uri: str) -> bool:
    from limits.storage import storage_from_string  # slow to import

    options = {} if uri.startswith("memory") else storage_options(uri)
    return t.cast(bool, storage_from_string(uri, **options).check())  # an asynchronous one is not admitted


def _warnings(app: Flask, config: AuthConfig) -> Iterator[str]:
    """What works and will hurt; in debug mode only what would hurt there."""
    if not config.enable:
        yield "API_AUTH_ENABLE is false: every route is open to everybody"
    if config.disable_localhost:
        yield (
            "API_AUTH_DISABLE_LOCALHOST is true: behind a proxy on this machine everybody may count as"
            " local"
        )
    yield from (f"{key} {problem}" for key, problem in unknown_keys(app.config))
    if not config.tenants and SETTINGS_BY_KEY["API_AUTH_AUTH0_TENANTS"].source(app.config):
        yield "API_AUTH_AUTH0_TENANTS is set, but API_AUTH_AUTH0_ENABLE is not true: no tenant is asked"
    yield from _open_views(app)
    for tenant in config.tenants:
        if not tenant.users:
            yield f"{tenant.domain} has no users: nobody can log in with its tokens"
    if not config.users and not config.tenants and app.extensions[KEY].host.verifier is None:
        yield "Nobody can log in: there is no user, no tenant and no password_verifier"
    if config.sessions is not None and not isinstance(app.extensions[KEY].loaders.manager, CoreJWTManager):
        yield (
            "The app has a JWTManager of its own, so jwt_required() does not ask for the session, and takes"
            " tokens of one that has ended until they expire: use auth_required or protect()"
        )
    if app.debug:
        return
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
    """What looks protected in the source, and is open."""
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if getattr(view, BARE_MARK, False) and not getattr(view, PROTECTED_MARK, False):
            yield (
                f"{rule.rule} is open, though its view has @auth_required: that must stand below the route"
                " decorator"
            )
        elif getattr(view, PROTECTED_MARK, False) and not getattr(rule, "provide_automatic_options", True):
            yield (
                f"{rule.rule} answers OPTIONS itself, which needs no token: leave OPTIONS out of its"
                " methods, and Flask answers it"
            )


def _behind_proxy_fix(wsgi_app: object) -> bool:
    # By convention a middleware keeps what it wraps in one of these attributes.
    seen: list[object] = []
    while wsgi_app is not None and wsgi_app not in seen:
        if isinstance(wsgi_app, ProxyFix):
            return True
        seen.append(wsgi_app)
        wsgi_app = getattr(wsgi_app, "app", getattr(wsgi_app, "wsgi_app", None))
    return False
