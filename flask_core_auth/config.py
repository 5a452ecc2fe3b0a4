"""The settings of one app, read from ``app.config`` and checked, once.

:data:`SETTINGS` is the one list of config keys: it is what is read here, what :func:`load_env` takes
from the environment, and what the reference in the documentation is made of.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import typing as t
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qs, unquote, urlsplit

from .errors import ConfigError
from .identity import EVERY_SCOPE, is_scope, is_subject
from .loopback import is_loopback
from .passwords import StoredPassword

if t.TYPE_CHECKING:
    from flask import Flask
    from flask.config import Config

#: RFC 7518, 3.2: an HS256 key must be at least as long as its hash, 32 bytes.
MIN_SECRET_BYTES = 32
#: The signature algorithms that a tenant may use: those of RFC 7518 and RFC 8037 with a public key.
TENANT_ALGORITHMS = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
)
# Those of limits that connect when they are first used, not when they are made, and that wait no longer
# than they are told to. (Those of its asynchronous kind, "async+...", cannot be used here at all.)
_LIMIT_STORAGES = (
    "memory",
    "redis",
    "rediss",
    "redis+unix",
    "valkey",
    "valkeys",
    "valkey+unix",
    "memcached",
)
_LIMIT_LIBRARIES = {
    "redis": "flask-core-auth[redis]",
    "valkey": "valkey",
    "memcached": "pymemcache",
}
_MAX_SECONDS = 10 * 365 * 86400
_DOMAIN = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_ADVICE = "make one with: python -c 'import secrets; print(secrets.token_urlsafe(48))'"


class SettingError(Exception):
    """One thing that is wrong with a value; :class:`ConfigError` collects them."""


@dataclass(frozen=True, slots=True)
class LocalUser:
    """A configured user.

    :param name: the user name, and the subject of its tokens.
    :param password: the password, as it is configured.
    :param scopes: what the user may do; ``"*"`` stands for every scope.
    """

    name: str
    password: StoredPassword
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Auth0Tenant:
    """An Auth0 tenant, or another OpenID provider, whose access tokens are exchanged for ours.

    :param domain: the tenant's domain, with its port where it has one; also the tenant's name.
    :param audience: the ``aud`` that its access tokens must carry.
    :param clientid: the client that its access tokens must have been issued to; any where empty.
    :param users: the subjects that are admitted; ``"*"`` admits every one of the tenant.
    :param issuer: the ``iss`` that its access tokens must carry, to the letter.
    :param jwks_uri: where its public keys are.
    :param algorithms: the signature algorithms that are accepted.
    :param scopes: which of the access token's scopes are taken over into ours.
    """

    domain: str
    audience: str
    clientid: str
    users: frozenset[str]
    issuer: str
    jwks_uri: str
    algorithms: frozenset[str]
    scopes: frozenset[str]

    def admits(self, subject: str) -> bool:
        """Whether ``subject`` is one of the tenant's users."""
        return subject in self.users or "*" in self.users

    def lists(self, subject: str) -> bool:
        """Whether ``subject`` is one of the tenant's users by name.

        This is asked of a datarhei Core's token, which does not say who vouched for its subject: by
        ``"*"`` every subject that the Core ever knew would be the tenant's.
        """
        return subject in self.users - {"*"}


@dataclass(frozen=True, slots=True)
class AuthConfig:
    """The settings of one app. What each of them means is said in :data:`SETTINGS`."""

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
    limit_storage: str
    sessions: str | None
    session_check: str
    session_max_age: int
    refresh_rotation: bool
    refresh_grace: int
    cookies: bool
    openapi: bool

    @classmethod
    def from_app(cls, app: Flask) -> t.Self:
        """Read and check the config of ``app``.

        :raises ConfigError: with every problem that there is.
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
        problems += ((key, problem) for key, problem in _contradictions(values, app) if key not in invalid)
        if problems:
            raise ConfigError(problems)

        users: dict[str, LocalUser] = dict(values["API_AUTH_USERS"])
        if values["API_AUTH_USERNAME"]:
            name = values["API_AUTH_USERNAME"]
            password = values["API_AUTH_PASSWORD"]
            users = {name: LocalUser(name, password, frozenset((EVERY_SCOPE,))), **users}
        # With every route open and nobody configured, tokens matter to nobody: a secret that dies
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
            limit_storage=values["API_AUTH_LIMIT_STORAGE"],
            sessions=values["API_AUTH_SESSIONS"],
            session_check=values["API_AUTH_SESSION_CHECK"],
            session_max_age=values["API_AUTH_SESSION_MAX_AGE"],
            refresh_rotation=values["API_AUTH_REFRESH_ROTATION"],
            refresh_grace=values["API_AUTH_REFRESH_GRACE"],
            cookies=values["API_AUTH_COOKIES"],
            openapi=values["API_AUTH_OPENAPI"],
        )


def load_env(config: Config, *, prefix: str = "CORE", environ: Mapping[str, str] = os.environ) -> None:
    """Take our settings from environment variables, as plain strings.

    ``CORE_API_AUTH_USERNAME`` sets ``API_AUTH_USERNAME``, and so on for each key in :data:`.SETTINGS`;
    no other variable is read, and an empty one counts as not set. With the prefix ``CORE``, the datarhei
    Core's ``RS_USERNAME`` and ``RS_PASSWORD`` stand in where the variables proper are not set.

    :param config: the app's config, which is changed.
    :param prefix: what comes before the key, with an underscore between.
    :param environ: where the variables are.
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
    """Keys that begin like ours but are none, and what is wrong with each: most are misspelt."""
    import difflib  # slow to import, and needed where something is wrong

    known = [setting.key for setting in SETTINGS]
    for key in config:
        if key.startswith("API_AUTH_") and key not in known:
            meant = difflib.get_close_matches(key, known, 1)
            yield key, "is no setting" + (f": {meant[0]} is meant, perhaps" if meant else "")


def _contradictions(values: Mapping[str, t.Any], app: Flask) -> t.Iterator[tuple[str, str]]:
    """What is wrong between settings that are fine one by one."""
    username, password = values["API_AUTH_USERNAME"], values["API_AUTH_PASSWORD"]
    users, secret = values["API_AUTH_USERS"], values["API_AUTH_JWT_SECRET"]
    tenants = values["API_AUTH_AUTH0_TENANTS"]
    if username and not password:
        yield "API_AUTH_PASSWORD", "is not set, but API_AUTH_USERNAME is"
    if password and not username:
        yield "API_AUTH_USERNAME", "is not set, but API_AUTH_PASSWORD is"
    if username in users:
        yield "API_AUTH_USERS", f"names {username!r}, which API_AUTH_USERNAME names already"
    if not secret and (values["API_AUTH_ENABLE"] or username or users or tenants):
        yield "API_AUTH_JWT_SECRET", f"is not set (and SECRET_KEY is never used); {_ADVICE}"
    if values["API_AUTH_AUTH0_ENABLE"] and not tenants:
        yield "API_AUTH_AUTH0_TENANTS", "names no tenant, but API_AUTH_AUTH0_ENABLE is true"
    local = app.debug or app.testing
    for tenant in tenants:
        for name in ("issuer", "jwks_uri"):
            problem = _insecure(getattr(tenant, name), local=local)
            if problem:
                yield "API_AUTH_AUTH0_TENANTS", f"{tenant.domain}: {name} {problem}"
    if not values["API_AUTH_SESSIONS"]:
        if values["API_AUTH_REFRESH_ROTATION"]:
            yield "API_AUTH_REFRESH_ROTATION", "needs sessions: set API_AUTH_SESSIONS"
        if values["API_AUTH_SESSION_CHECK"] == "always":
            yield "API_AUTH_SESSION_CHECK", '"always" needs sessions: set API_AUTH_SESSIONS'


def _insecure(url: str, *, local: bool) -> str | None:
    try:
        parts = urlsplit(url)
        scheme, host, _ = parts.scheme, parts.hostname, parts.port
    except ValueError:
        return "is not a valid URL"
    if not host:
        return "is not a valid URL"
    if scheme == "https":
        return None
    if scheme == "http" and is_loopback(host):
        return None if local else "uses http, which is for loopback in debug or testing only"
    return "must use https"


# Parsers of single values. Each takes what stands in the config, natively or as a string, and returns
# the value to use or raises SettingError.


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "1", "yes", "on"):
        return True
    if isinstance(value, str) and value.strip().lower() in ("false", "0", "no", "off"):
        return False
    raise SettingError(f"must be true or false, not {value!r}")


def _seconds(value: object) -> int:
    if isinstance(value, timedelta):
        if value.microseconds:
            raise SettingError(f"must be whole seconds, not {value!r}")
        value = value.days * 86400 + value.seconds
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}", value.strip()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise SettingError(f"must be a number of seconds or a timedelta, not {value!r}")
    if not 0 < value <= _MAX_SECONDS:
        raise SettingError(f"must be from 1 second to 10 years ({_MAX_SECONDS} seconds), not {value}")
    return value


def _seconds_or_zero(value: object) -> int:
    return 0 if value in (0, "0", timedelta()) and value is not False else _seconds(value)


def _text(value: object) -> str:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise SettingError("is not valid Unicode") from None
        return value
    if isinstance(value, (int, float, list, dict)):
        raise SettingError(
            f"must be a string, not {type(value).__name__}. Flask's from_prefixed_env() reads values as"
            " JSON, so that 1e5 becomes a number and true a boolean: use flask_core_auth.load_env(), or"
            " quote the value twice"
        )
    advice = ": decode() it" if isinstance(value, bytes) else ""
    raise SettingError(f"must be a string, not {type(value).__name__}{advice}")


def _username(value: object) -> str:
    name = _text(value)
    if not is_subject(name):
        raise SettingError("must not contain NUL")
    return name


def _secret(value: object) -> str:
    secret = _text(value)
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise SettingError(f"is shorter than {MIN_SECRET_BYTES} bytes, which HS256 needs; {_ADVICE}")
    import jwt

    try:
        jwt.encode({}, secret, "HS256")
    except jwt.InvalidKeyError:
        raise SettingError("is a public key or a certificate, not a secret") from None
    return secret


def _secrets(value: object) -> tuple[str, ...]:
    if isinstance(value, str) and not value.lstrip().startswith("["):
        raise SettingError("must be a list of secrets (as a string: a JSON list)")
    return tuple(_secret(element) for element in _sequence(value, "a list of secrets"))


def _realm(value: object) -> str:
    realm = _text(value)
    if not re.fullmatch(r"[ !#-\[\]-~]+", realm):
        raise SettingError("must be printable ASCII without quotes and backslashes")
    return realm


def _password(value: object) -> StoredPassword:
    try:
        return StoredPassword.parse(_text(value))
    except ValueError as error:
        raise SettingError(str(error)) from None


def _users(value: object) -> Mapping[str, LocalUser]:
    entries = _mapping(value, 'a mapping of {name: {"password", "scopes"}}')
    users: dict[str, LocalUser] = {}
    for name, entry in entries.items():
        if not is_subject(name):
            raise SettingError(f"has a user name that is no string, or empty: {name!r}")
        if not isinstance(entry, Mapping) or not entry.get("password"):
            raise SettingError(f'{name}: must be a mapping with a "password" and, if it has any, "scopes"')
        _refuse_unknown(entry, ("password", "scopes"), name)
        try:
            password = _password(entry["password"])
            scopes = _scopes(entry.get("scopes", ()))
        except SettingError as problem:
            raise SettingError(f"{name}: {problem}") from None
        users[name] = LocalUser(name, password, scopes)
    return users


def _scopes(value: object) -> frozenset[str]:
    scopes = value.split() if isinstance(value, str) else _strings(value, "scopes")
    for scope in scopes:
        if not is_scope(scope):
            raise SettingError(f"{scope!r} is no scope: printable ASCII without spaces and quotes")
    return frozenset(scopes)


def _tenants(value: object) -> tuple[Auth0Tenant, ...]:
    elements: Sequence[object]
    if isinstance(value, str) and not value.lstrip().startswith(("[", "{")):
        # The Core's form: a comma-separated list of URLs or of base64 (which has no comma).
        elements = [element.strip() for element in value.split(",") if element.strip()]
    else:
        elements = _sequence(value, "a list of tenants")
    tenants = tuple(_tenant(element, number) for number, element in enumerate(elements, 1))
    for name in ("domain", "issuer"):
        seen: set[str] = set()
        for tenant in tenants:
            if getattr(tenant, name) in seen:
                raise SettingError(f"has two tenants with the {name} {getattr(tenant, name)!r}")
            seen.add(getattr(tenant, name))
    return tenants


def _tenant(element: object, number: int) -> Auth0Tenant:
    where = f"tenant {number}"
    if isinstance(element, str):
        read = _tenant_url if element.startswith("auth0://") else _tenant_base64
        element = read(element, where)
    if not isinstance(element, Mapping):
        raise SettingError(f"{where}: must be a mapping with domain, audience, clientid and users")
    _refuse_unknown(element, Auth0Tenant.__slots__, where)
    texts: dict[str, str] = {}
    for name in ("domain", "audience", "clientid", "issuer", "jwks_uri"):
        texts[name] = element.get(name) or ""
        if not isinstance(texts[name], str):
            raise SettingError(f"{where}: {name} must be a string, not {element[name]!r}")
    domain = texts["domain"]
    if not _DOMAIN.fullmatch(domain):
        raise SettingError(
            f"{where}: domain must be a host name without scheme and path, such as"
            f" example.eu.auth0.com, not {domain!r}"
        )
    if not texts["audience"]:
        raise SettingError(f"{domain}: audience is missing: the identifier of your API in the tenant")
    if texts["audience"] == texts["clientid"]:
        raise SettingError(
            f"{domain}: audience and clientid are the same, so that ID tokens would pass as access"
            " tokens; the audience is the identifier of your API"
        )
    try:
        users = frozenset(_strings(element.get("users") or (), "users"))
        algorithms = frozenset(_strings(element.get("algorithms") or ("RS256",), "algorithms"))
        scopes = _scopes(element.get("scopes") or ())
    except SettingError as problem:
        raise SettingError(f"{domain}: {problem}") from None
    if not algorithms <= TENANT_ALGORITHMS:
        raise SettingError(
            f"{domain}: algorithms may be {', '.join(sorted(TENANT_ALGORITHMS))}, not"
            f" {', '.join(sorted(algorithms - TENANT_ALGORITHMS))}"
        )
    if EVERY_SCOPE in scopes:
        raise SettingError(f"{domain}: scopes must be named one by one; '*' would hand out every scope")
    return Auth0Tenant(
        domain=domain,
        audience=texts["audience"],
        clientid=texts["clientid"],
        users=users,
        issuer=texts["issuer"] or f"https://{domain}/",
        jwks_uri=texts["jwks_uri"] or f"https://{domain}/.well-known/jwks.json",
        algorithms=algorithms,
        scopes=scopes,
    )


def _tenant_url(url: str, where: str) -> Mapping[str, object]:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise SettingError(f"{where}: is not a valid URL") from None
    clientid, _, domain = parts.netloc.rpartition("@")
    query = parse_qs(parts.query)
    return {
        "domain": domain,
        "audience": query.get("aud", [""])[0],
        "clientid": unquote(clientid),
        "users": query.get("user", []),
    }


def _tenant_base64(text: str, where: str) -> Mapping[str, object]:
    try:
        element = json.loads(base64.b64decode(text, validate=True))
    except (ValueError, RecursionError):  # binascii.Error is a ValueError
        raise SettingError(
            f"{where}: must be auth0://CLIENTID@DOMAIN?aud=AUDIENCE&user=SUBJECT, or a JSON object in"
            " base64"
        ) from None
    if not isinstance(element, dict):
        raise SettingError(f"{where}: holds no JSON object")
    return element


def _about(value: object) -> Mapping[str, t.Any]:
    about = _mapping(value, "a mapping with app, name, id, version and what else there is to tell")
    version = about.get("version")
    if version is not None and not (
        isinstance(version, Mapping) and isinstance(version.get("number"), str)
    ):
        raise SettingError('version must be a mapping with a "number", such as {"number": "16.16.0"}')
    return about


def _login_limit(value: object) -> str | None:
    limit = _text(value)
    if limit.strip().lower() == "none":
        return None
    from limits import parse_many

    try:
        items = parse_many(limit)
    except ValueError:
        items = []
    if not items or not all(item.amount > 0 and 0 < item.get_expiry() <= _MAX_SECONDS for item in items):
        raise SettingError(f'must be such as "10/minute", or None, not {limit!r}')
    return limit


def _limit_storage(value: object) -> str:
    from limits.errors import ConfigurationError
    from limits.storage import storage_from_string

    uri = _text(value)
    if not uri.startswith(tuple(f"{scheme}://" for scheme in _LIMIT_STORAGES)):
        raise SettingError(f"must be a URI with one of the schemes {', '.join(_LIMIT_STORAGES)}")
    try:
        storage_from_string(uri)
    except (ConfigurationError, ValueError) as error:
        if isinstance(error, ConfigurationError) and uri not in str(error):  # a library is missing
            scheme = uri.partition(":")[0]
            package = next(name for kind, name in _LIMIT_LIBRARIES.items() if scheme.startswith(kind))
            raise SettingError(f"needs a library that is not installed: pip install '{package}'") from None
        # Its text is not shown: it may quote a part of the URI, and so of a password in it.
        raise SettingError("is not a valid URI (in a password, / is written as %2F, # as %23)") from None
    return uri


def _sessions(value: object) -> str:
    from .sessions import open_store

    url = _text(value)
    if not re.match(r"[a-z0-9+]+://", url):
        raise SettingError("must be a SQLAlchemy URL, such as sqlite:///core-auth.db, or redis://...")
    try:
        open_store(url, directory="")
    except ValueError as error:
        raise SettingError(str(error)) from None
    return url


def _session_check(value: object) -> str:
    if value in ("refresh", "always"):
        return value
    raise SettingError(f'must be "refresh" or "always", not {value!r}')


def _mapping(value: object, what: str) -> Mapping[t.Any, t.Any]:
    value = _json(value, what)
    if isinstance(value, Mapping):
        return value
    raise SettingError(f"must be {what}, not {type(value).__name__}")


def _sequence(value: object, what: str) -> Sequence[object]:
    value = _json(value, what)
    if isinstance(value, (list, tuple)):
        return value
    raise SettingError(f"must be {what}")


def _strings(value: object, what: str) -> list[str]:
    if isinstance(value, (list, tuple, set, frozenset)):
        strings = [element for element in value if isinstance(element, str) and element]
        if len(strings) == len(value):
            return strings
    raise SettingError(f"{what} must be a list of strings, not {value!r}")


def _json(value: object, what: str) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise SettingError(f"must be {what}; as a string it must be JSON, which it is not") from None


def _refuse_unknown(entry: Mapping[t.Any, object], known: Sequence[str], where: str) -> None:
    unknown = sorted(str(name) for name in entry if name not in known)
    if unknown:
        raise SettingError(
            f"{where}: has {', '.join(unknown)}, which is unknown; it may have {', '.join(known)}"
        )


@dataclass(frozen=True, slots=True)
class Setting:
    """One config key.

    :param key: its name in ``app.config``.
    :param parse: reads a value that is set; raises :exc:`SettingError`.
    :param default: the value where none is set.
    :param meaning: what it does, for the reference.
    :param secret: whether the value must not be shown.
    :param none_turns_off: whether ``None`` means "off" rather than the default.
    :param fallback: another config key, which is read where this one is not set.
    :param core_alias: another environment variable of the datarhei Core's for the same setting.
    """

    key: str
    parse: Callable[[object], object]
    default: object
    meaning: str
    secret: bool = False
    none_turns_off: bool = False
    fallback: str | None = None
    core_alias: str | None = None

    def source(self, config: Mapping[str, object]) -> str | None:
        """The key in ``config`` that gives the value; None if the default does.

        An empty string counts as not set.
        """
        if self.none_turns_off and config.get(self.key, "") is None:
            return self.key
        for key in (self.key, self.fallback):
            if key is not None and config.get(key) not in (None, ""):
                return key
        return None

    def read(self, config: Mapping[str, object]) -> object:
        """The value that ``config`` gives.

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


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "API_AUTH_ENABLE",
        _boolean,
        True,
        "False: every route is open; login still works where it is configured.",
    ),
    Setting(
        "API_AUTH_DISABLE_LOCALHOST",
        _boolean,
        False,
        "True: requests from this machine itself need no token. Unsafe behind a proxy on the same machine.",
    ),
    Setting(
        "API_AUTH_USERNAME",
        _username,
        None,
        "The local user, who has every scope.",
        core_alias="RS_USERNAME",
    ),
    Setting(
        "API_AUTH_PASSWORD",
        _password,
        None,
        "The local user's password: in plain text, or as a hash that is recognised by its prefix"
        " (``scrypt:``, ``pbkdf2:``, ``$argon2``).",
        secret=True,
        core_alias="RS_PASSWORD",
    ),
    Setting(
        "API_AUTH_USERS",
        _users,
        {},
        'More local users: ``{name: {"password": ..., "scopes": [...]}}``.',
        secret=True,
    ),
    Setting(
        "API_AUTH_JWT_SECRET",
        _secret,
        None,
        "Signs the tokens (HS256); at least 32 bytes. ``JWT_SECRET_KEY`` is taken where it is not set,"
        " ``SECRET_KEY`` never.",
        secret=True,
        fallback="JWT_SECRET_KEY",
    ),
    Setting(
        "API_AUTH_JWT_SECRET_FALLBACKS",
        _secrets,
        (),
        "Old secrets, whose tokens are still accepted; at least 32 bytes each.",
        secret=True,
    ),
    Setting(
        "API_AUTH_JWT_ACCESS_EXPIRES",
        _seconds,
        600,
        "How long an access token lives: seconds, or a timedelta.",
    ),
    Setting(
        "API_AUTH_JWT_REFRESH_EXPIRES",
        _seconds,
        86400,
        "How long a refresh token lives: seconds, or a timedelta.",
    ),
    Setting(
        "API_AUTH_REALM",
        _realm,
        "flask-core-auth",
        "The ``iss`` of the tokens and the realm in ``WWW-Authenticate``; ``datarhei-core`` to stand in"
        " for a datarhei Core.",
    ),
    Setting("API_AUTH_AUTH0_ENABLE", _boolean, False, "True: log in with Auth0 access tokens, too."),
    Setting(
        "API_AUTH_AUTH0_TENANTS",
        _tenants,
        (),
        "Whose access tokens: a list of ``{domain, audience, clientid, users}``, with ``issuer``,"
        " ``jwks_uri``, ``algorithms`` and ``scopes`` where they are needed; or the datarhei Core's"
        " string forms.",
    ),
    Setting(
        "API_AUTH_ABOUT",
        _about,
        None,
        "A mapping that is served at the blueprint's root: in full to whoever has a token, else only"
        " its ``app``, the ways to log in and the major version.",
    ),
    Setting(
        "API_AUTH_LOGIN_LIMIT",
        _login_limit,
        "10/minute",
        "Failed logins that one client address may have with one user name; five times as many in all."
        " None: no limit.",
        none_turns_off=True,
    ),
    Setting(
        "API_AUTH_LIMIT_STORAGE",
        _limit_storage,
        "memory://",
        "Where failed logins are counted: a storage URI of the ``limits`` package, such as"
        " ``redis://localhost:6379``.",
        secret=True,
    ),
    Setting(
        "API_AUTH_SESSIONS",
        _sessions,
        None,
        "Where sessions live: a SQLAlchemy URL (``sqlite:///core-auth.db`` is relative to"
        " ``app.instance_path``) or ``redis://``. None: no sessions.",
        secret=True,
    ),
    Setting(
        "API_AUTH_SESSION_CHECK",
        _session_check,
        "refresh",
        "When the session is looked up: at each ``refresh``, or ``always``: at each protected request too.",
    ),
    Setting(
        "API_AUTH_SESSION_MAX_AGE",
        _seconds,
        30 * 86400,
        "The longest life of a session, however often it is refreshed: seconds, or a timedelta.",
    ),
    Setting(
        "API_AUTH_REFRESH_ROTATION",
        _boolean,
        False,
        "With sessions, True: a refresh token serves once, and each refresh gives a new one.",
    ),
    Setting(
        "API_AUTH_REFRESH_GRACE",
        _seconds_or_zero,
        10,
        "How long a refresh token that was rotated still serves, for a client that refreshes twice at"
        " a time: seconds.",
    ),
    Setting(
        "API_AUTH_COOKIES",
        _boolean,
        False,
        "True: the tokens travel in cookies, too, with CSRF protection.",
    ),
    Setting(
        "API_AUTH_OPENAPI",
        _boolean,
        False,
        "True: ``openapi.json`` is served under the blueprint's prefix.",
    ),
)
