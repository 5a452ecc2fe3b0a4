"""The config of one app, parsed and checked once into an :class:`AuthConfig`."""

from __future__ import annotations

import os
import secrets
import typing as t
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ..errors import ConfigError
from ..identity import EVERY_SCOPE
from .settings import SETTINGS
from .tenants import Auth0Tenant, url_problems
from .users import LocalUser
from .values import GENERATE_ADVICE, SettingError

if t.TYPE_CHECKING:
    from flask import Flask
    from flask.config import Config

__all__ = ["SETTINGS", "Auth0Tenant", "AuthConfig", "LocalUser", "load_env", "unknown_keys"]


@dataclass(frozen=True, slots=True)
class AuthConfig:
    """The config of one app. :data:`SETTINGS` describes each value."""

    enable: bool
    disable_localhost: bool
    users: Mapping[str, LocalUser]
    secrets: tuple[str, ...] = field(repr=False)
    access_expires: int
    refresh_expires: int
    realm: str
    tenants: tuple[Auth0Tenant, ...]
    about: Mapping[str, t.Any] | None
    login_limit: str | None
    login_concurrency: int | None
    limit_storage: str = field(repr=False)
    sessions: str | None = field(repr=False)
    session_check: str
    session_max_age: int
    session_limit: int | None
    refresh_rotation: bool
    refresh_grace: int
    cookies: bool
    openapi: bool

    @classmethod
    def from_app(cls, app: Flask) -> t.Self:
        """Parse and check the config of ``app``.

        :raises ConfigError: with every problem at once.
        """
        problems: list[tuple[str, str]] = []
        values: dict[str, t.Any] = {}
        for setting in SETTINGS:
            try:
                values[setting.key] = setting.read(app.config)
            except SettingError as problem:
                problems.append((setting.key, str(problem)))
                values[setting.key] = setting.default
        invalid = {key for key, _ in problems}
        problems += (
            (key, problem) for key, problem in _contradictions(values, invalid, app) if key not in invalid
        )
        if problems:
            raise ConfigError(problems)

        users: dict[str, LocalUser] = dict(values["API_AUTH_USERS"])
        if values["API_AUTH_USERNAME"]:
            name = values["API_AUTH_USERNAME"]
            password = values["API_AUTH_PASSWORD"]
            users = {name: LocalUser(name, password, frozenset((EVERY_SCOPE,))), **users}
        # If every route is open and nobody is configured, no token protects anything: a secret that ends
        # with the process is enough.
        secret = values["API_AUTH_JWT_SECRET"] or secrets.token_urlsafe(48)
        return cls(
            enable=values["API_AUTH_ENABLE"],
            disable_localhost=values["API_AUTH_DISABLE_LOCALHOST"],
            users=users,
            secrets=(secret, *values["API_AUTH_JWT_SECRET_FALLBACKS"]),
            access_expires=values["API_AUTH_JWT_ACCESS_EXPIRES"],
            refresh_expires=values["API_AUTH_JWT_REFRESH_EXPIRES"],
            realm=values["API_AUTH_REALM"],
            tenants=values["API_AUTH_AUTH0_TENANTS"] if values["API_AUTH_AUTH0_ENABLE"] else (),
            about=values["API_AUTH_ABOUT"],
            login_limit=values["API_AUTH_LOGIN_LIMIT"],
            login_concurrency=values["API_AUTH_LOGIN_CONCURRENCY"],
            limit_storage=values["API_AUTH_LIMIT_STORAGE"],
            sessions=values["API_AUTH_SESSIONS"],
            session_check=values["API_AUTH_SESSION_CHECK"],
            session_max_age=values["API_AUTH_SESSION_MAX_AGE"],
            session_limit=values["API_AUTH_SESSION_LIMIT"],
            refresh_rotation=values["API_AUTH_REFRESH_ROTATION"],
            refresh_grace=values["API_AUTH_REFRESH_GRACE"],
            cookies=values["API_AUTH_COOKIES"],
            openapi=values["API_AUTH_OPENAPI"],
        )


def load_env(config: Config, *, prefix: str = "CORE", environ: Mapping[str, str] = os.environ) -> None:
    """Load the settings of flask-core-auth from environment variables, as plain strings.

    ``CORE_API_AUTH_USERNAME`` sets ``API_AUTH_USERNAME``, and so on for each key in
    :data:`.SETTINGS`. No other variable is read. An empty variable counts as not set. With the prefix
    ``CORE``, the datarhei Core's ``RS_USERNAME`` and ``RS_PASSWORD`` are read if the variables proper are
    not set.

    :param config: the app's config, which is changed.
    :param prefix: the part of a variable's name before the key and its underscore.
    :param environ: the environment to read.
    """
    for setting in SETTINGS:
        names = [f"{prefix}_{setting.key}"]
        if prefix == "CORE" and setting.core_alias:
            names.append(setting.core_alias)
        for name in names:
            if environ.get(name):
                config[setting.key] = environ[name]
                break


def unknown_keys(config: Mapping[str, object]) -> t.Iterator[tuple[str, str]]:
    """Yield keys that begin with ``API_AUTH_`` but are no setting, and the problem: most are misspelt."""
    import difflib  # Imported late: slow, and only needed for a problem.

    known = [setting.key for setting in SETTINGS]
    for key in config:
        if key.startswith("API_AUTH_") and key not in known:
            meant = difflib.get_close_matches(key, known, 1)
            yield key, "is no setting" + (f": {meant[0]} is meant, perhaps" if meant else "")


def _contradictions(
    values: Mapping[str, t.Any], invalid: Collection[str], app: Flask
) -> t.Iterator[tuple[str, str]]:
    """Yield the problems between settings that are valid one by one.

    :param values: the value of each setting; the default of an invalid one.
    :param invalid: the keys of the invalid settings. What only follows from one of them is no problem.
    """
    username, password = values["API_AUTH_USERNAME"], values["API_AUTH_PASSWORD"]
    users, secret = values["API_AUTH_USERS"], values["API_AUTH_JWT_SECRET"]
    tenants = values["API_AUTH_AUTH0_TENANTS"]
    if username and not password:
        yield "API_AUTH_PASSWORD", "is not set, but API_AUTH_USERNAME is"
    if password and not username:
        yield "API_AUTH_USERNAME", "is not set, but API_AUTH_PASSWORD is"
    if username in users:
        yield "API_AUTH_USERS", f"names {username!r}, which API_AUTH_USERNAME names already"
    is_enabled = values["API_AUTH_ENABLE"] and "API_AUTH_ENABLE" not in invalid
    if not secret and (is_enabled or username or users or tenants):
        yield "API_AUTH_JWT_SECRET", f"is not set (and SECRET_KEY is never used); {GENERATE_ADVICE}"
    if values["API_AUTH_AUTH0_ENABLE"] and not tenants:
        yield "API_AUTH_AUTH0_TENANTS", "names no tenant, but API_AUTH_AUTH0_ENABLE is true"
    for tenant in tenants:
        for problem in url_problems(tenant, local=app.debug or app.testing):
            yield "API_AUTH_AUTH0_TENANTS", problem
    if not values["API_AUTH_SESSIONS"] and "API_AUTH_SESSIONS" not in invalid:
        if values["API_AUTH_REFRESH_ROTATION"]:
            yield "API_AUTH_REFRESH_ROTATION", "needs sessions: set API_AUTH_SESSIONS"
        if values["API_AUTH_SESSION_CHECK"] == "always":
            yield "API_AUTH_SESSION_CHECK", '"always" needs sessions: set API_AUTH_SESSIONS'
