"""The table of settings, :data:`SETTINGS`. Each has a key, a parser, a default and a meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .tenants import parse_tenants
from .users import parse_users
from .values import (
    SettingError,
    default_concurrency,
    parse_about,
    parse_boolean,
    parse_limit_storage,
    parse_login_limit,
    parse_maximum,
    parse_password,
    parse_realm,
    parse_seconds,
    parse_seconds_or_zero,
    parse_secret,
    parse_secrets,
    parse_session_check,
    parse_sessions,
    parse_username,
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    :param key: the key in ``app.config``.
    :param parse: parses a value that is set; raises :exc:`.SettingError`.
    :param default: the value if none is set.
    :param meaning: the description, for the reference.
    :param default_in_words: the default, if it depends on the machine, for the reference.
    :param secret: whether the value must not be shown.
    :param url: whether the value is a URL that may hold a password.
    :param none_turns_off: whether ``None`` means "off" rather than the default.
    :param fallback: another setting, which is read if this setting is not set.
    :param core_alias: another environment variable of the datarhei Core's for the same setting.
    """

    key: str
    parse: Callable[[object], object]
    default: object
    meaning: str
    secret: bool = False
    url: bool = False
    none_turns_off: bool = False
    fallback: str | None = None
    core_alias: str | None = None
    default_in_words: str | None = None

    def source(self, config: Mapping[str, object]) -> str | None:
        """Return the key in ``config`` that gives the value; None if the default does.

        An empty string counts as not set.
        """
        if self.none_turns_off and config.get(self.key, "") is None:
            return self.key
        for key in (self.key, self.fallback):
            if key is not None and config.get(key) not in (None, ""):
                return key
        return None

    def read(self, config: Mapping[str, object]) -> object:
        """Return the value that ``config`` gives.

        :raises SettingError: if it cannot be used.
        """
        key = self.source(config)
        if key is None:
            return self.default
        if config[key] is None:
            return None
        try:
            return self.parse(config[key])
        except SettingError as problem:
            if key == self.key:
                raise
            raise SettingError(f"is taken from {key}, which {problem}") from None


#: Every setting, in the order of the reference. This table is the one list of config keys:
#: :class:`.AuthConfig` reads it, :func:`.load_env` takes it from the environment, and the documentation's
#: reference is made from it.
SETTINGS: tuple[Setting, ...] = (
    Setting(
        "API_AUTH_ENABLE",
        parse_boolean,
        True,
        "False: every route is open. The login still works where it is configured.",
    ),
    Setting(
        "API_AUTH_DISABLE_LOCALHOST",
        parse_boolean,
        False,
        "True: requests from this machine itself need no token. Unsafe behind a proxy on the same machine.",
    ),
    Setting(
        "API_AUTH_USERNAME",
        parse_username,
        None,
        "The local user, who has every scope.",
        core_alias="RS_USERNAME",
    ),
    Setting(
        "API_AUTH_PASSWORD",
        parse_password,
        None,
        "The local user's password: in plain text, or as a hash that is recognised by its prefix"
        " (``scrypt:``, ``pbkdf2:``, ``$argon2``).",
        secret=True,
        core_alias="RS_PASSWORD",
    ),
    Setting(
        "API_AUTH_USERS",
        parse_users,
        {},
        'More local users: ``{name: {"password": ..., "scopes": [...]}}``.',
        secret=True,
    ),
    Setting(
        "API_AUTH_JWT_SECRET",
        parse_secret,
        None,
        "Signs the tokens (HS256); at least 32 bytes. If it is not set, ``JWT_SECRET_KEY`` is taken; never"
        " ``SECRET_KEY``.",
        secret=True,
        fallback="JWT_SECRET_KEY",
    ),
    Setting(
        "API_AUTH_JWT_SECRET_FALLBACKS",
        parse_secrets,
        (),
        "Old secrets, whose tokens are still accepted; at least 32 bytes each.",
        secret=True,
    ),
    Setting(
        "API_AUTH_JWT_ACCESS_EXPIRES",
        parse_seconds,
        600,
        "Lifetime of an access token: seconds, or a timedelta.",
    ),
    Setting(
        "API_AUTH_JWT_REFRESH_EXPIRES",
        parse_seconds,
        86400,
        "Lifetime of a refresh token: seconds, or a timedelta.",
    ),
    Setting(
        "API_AUTH_REALM",
        parse_realm,
        "flask-core-auth",
        "The ``iss`` of the tokens and the realm in ``WWW-Authenticate``; ``datarhei-core`` to stand in"
        " for a datarhei Core.",
    ),
    Setting("API_AUTH_AUTH0_ENABLE", parse_boolean, False, "True: log in with Auth0 access tokens, too."),
    Setting(
        "API_AUTH_AUTH0_TENANTS",
        parse_tenants,
        (),
        "The tenants whose access tokens log users in: a list of ``{domain, audience, clientid, users}``,"
        " optionally with ``issuer``, ``jwks_uri``, ``algorithms`` and ``scopes``. The datarhei Core's"
        " string forms are accepted, too.",
    ),
    Setting(
        "API_AUTH_ABOUT",
        parse_about,
        None,
        "A mapping that is served at the blueprint's root. Without a valid token, only ``app``, the ways to"
        " log in and the major version are served.",
    ),
    Setting(
        "API_AUTH_LOGIN_LIMIT",
        parse_login_limit,
        "10/minute",
        "Maximum number of failed logins for one client address and username; five times as many for one"
        " client address. None: no limit.",
        none_turns_off=True,
    ),
    Setting(
        "API_AUTH_LIMIT_STORAGE",
        parse_limit_storage,
        "memory://",
        "Storage that counts failed logins: a storage URI of the ``limits`` package, such as"
        " ``redis://localhost:6379``.",
        url=True,
    ),
    Setting(
        "API_AUTH_LOGIN_CONCURRENCY",
        parse_maximum,
        default_concurrency(),
        "Maximum number of password checks that a process runs at a time, at most half of them for one"
        " client address. Further logins get a 503. None: no bound.",
        none_turns_off=True,
        default_in_words="the number of cores, at least 2",
    ),
    Setting(
        "API_AUTH_SESSIONS",
        parse_sessions,
        None,
        "Session store: a SQLAlchemy URL (``sqlite:///core-auth.db`` is relative to"
        " ``app.instance_path``) or ``redis://``. None: no sessions.",
        url=True,
    ),
    Setting(
        "API_AUTH_SESSION_CHECK",
        parse_session_check,
        "refresh",
        "Requests that look up the session: ``refresh`` for each refresh, ``always`` for each protected"
        " request, too.",
    ),
    Setting(
        "API_AUTH_SESSION_MAX_AGE",
        parse_seconds,
        30 * 86400,
        "The longest life of a session, however often it is refreshed: seconds, or a timedelta.",
    ),
    Setting(
        "API_AUTH_SESSION_LIMIT",
        parse_maximum,
        100,
        "Maximum number of sessions of one user. A login over the limit ends the session that was unused"
        " longest. None: no bound.",
        none_turns_off=True,
    ),
    Setting(
        "API_AUTH_REFRESH_ROTATION",
        parse_boolean,
        False,
        "With sessions, True: a refresh token is accepted once, and each refresh returns a new token.",
    ),
    Setting(
        "API_AUTH_REFRESH_GRACE",
        parse_seconds_or_zero,
        10,
        "Seconds for which a rotated refresh token is still accepted, for a client that refreshes twice"
        " at the same time.",
    ),
    Setting(
        "API_AUTH_COOKIES",
        parse_boolean,
        False,
        "True: tokens are sent in cookies, too, with CSRF protection.",
    ),
    Setting(
        "API_AUTH_OPENAPI",
        parse_boolean,
        False,
        "True: ``openapi.json`` is served under the blueprint's prefix.",
    ),
)
