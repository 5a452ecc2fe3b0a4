"""Parsers of single values of the config.

Each parser takes a native value or a string, as :func:`.load_env` and Flask's ``from_prefixed_env()`` give
it. It returns the parsed value, or raises :exc:`SettingError` with the reason.
"""

from __future__ import annotations

import json
import os
import re
import typing as t
from collections.abc import Mapping, Sequence
from datetime import timedelta

from ..identity import is_scope, is_subject
from ..passwords import StoredPassword
from ..throttle import check_storage, parse_limit

#: RFC 7518, 3.2: an HS256 key must be at least as long as its hash, 32 bytes.
MIN_SECRET_BYTES = 32
#: The longest duration that a setting accepts: 10 years.
MAX_DURATION_SECONDS = 10 * 365 * 86400
#: The largest maximum number of anything: as many digits as a string may have.
MAX_MAXIMUM = 999_999
#: How to make a secret; part of errors.
GENERATE_ADVICE = "make one with: python -c 'import secrets; print(secrets.token_urlsafe(48))'"


class SettingError(Exception):
    """A value cannot be used; the message says why. :class:`.ConfigError` collects these."""


def default_concurrency() -> int:
    """Return the number of cores that this process may use, at least 2."""
    if hasattr(os, "sched_getaffinity"):
        return max(2, len(os.sched_getaffinity(0)))
    return max(2, os.cpu_count() or 1)


def parse_boolean(value: object) -> bool:
    """Parse true or false, natively or in words."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "1", "yes", "on"):
        return True
    if isinstance(value, str) and value.strip().lower() in ("false", "0", "no", "off"):
        return False
    raise SettingError(f"must be true or false, not {value!r}")


def parse_seconds(value: object) -> int:
    """Parse a duration of at least a second: whole seconds, or a timedelta."""
    if isinstance(value, timedelta):
        if value.microseconds:
            raise SettingError(f"must be whole seconds, not {value!r}")
        value = value.days * 86400 + value.seconds
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}", value.strip()):
        value = int(value.strip())  # int() alone strips less: it fails at U+001F
    if not isinstance(value, int) or isinstance(value, bool):
        raise SettingError(f"must be a number of seconds or a timedelta, not {value!r}")
    if not 0 < value <= MAX_DURATION_SECONDS:
        # Python does not write an integer of more than 4,300 digits.
        found = f", not {value}" if abs(value) < 10**12 else ""
        raise SettingError(f"must be from 1 second to 10 years ({MAX_DURATION_SECONDS} seconds){found}")
    return value


def parse_seconds_or_zero(value: object) -> int:
    """Parse a duration that may be zero."""
    return 0 if value in (0, "0", timedelta()) and value is not False else parse_seconds(value)


def parse_text(value: object) -> str:
    """Parse a string that UTF-8 can encode."""
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


def parse_username(value: object) -> str:
    """Parse a username that can be the subject of a token."""
    name = parse_text(value)
    if not is_subject(name):
        raise SettingError("must not contain NUL")
    return name


def parse_password(value: object) -> StoredPassword:
    """Parse a password, in plain text or hashed."""
    try:
        return StoredPassword.parse(parse_text(value))
    except ValueError as error:
        raise SettingError(str(error)) from None


def parse_secret(value: object) -> str:
    """Parse a secret that can sign with HS256."""
    secret = parse_text(value)
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise SettingError(
            f"is shorter than {MIN_SECRET_BYTES} bytes, which HS256 needs; {GENERATE_ADVICE}"
        )
    import jwt

    try:
        jwt.encode({}, secret, "HS256")
    except jwt.InvalidKeyError:
        raise SettingError("is a public key or a certificate, not a secret") from None
    return secret


def parse_secrets(value: object) -> tuple[str, ...]:
    """Parse a list of secrets."""
    if isinstance(value, str) and not value.lstrip().startswith("["):
        raise SettingError("must be a list of secrets (as a string: a JSON list)")
    return tuple(parse_secret(element) for element in parse_sequence(value, "a list of secrets"))


def parse_realm(value: object) -> str:
    """Parse a realm that ``WWW-Authenticate`` can quote without escapes (RFC 9110, 5.6.4)."""
    realm = parse_text(value)
    if not re.fullmatch(r"[ !#-\[\]-~]+", realm):
        raise SettingError("must be printable ASCII without quotes and backslashes")
    return realm


def parse_scopes(value: object) -> frozenset[str]:
    """Parse scopes: a list, or one string with spaces between (RFC 6749, 3.3)."""
    scopes = value.split() if isinstance(value, str) else parse_strings(value, "scopes")
    for scope in scopes:
        if not is_scope(scope):
            raise SettingError(f"{scope!r} is no scope: printable ASCII without spaces and quotes")
    return frozenset(scopes)


def parse_about(value: object) -> Mapping[str, t.Any]:
    """Parse the mapping that ``GET <prefix>`` serves."""
    about = parse_mapping(value, "a mapping with app, name, id, version and further members to serve")
    version = about.get("version")
    if version is not None and not (
        isinstance(version, Mapping) and isinstance(version.get("number"), str)
    ):
        raise SettingError('version must be a mapping with a "number", such as {"number": "16.16.0"}')
    return about


def parse_login_limit(value: object) -> str | None:
    """Parse the limit on failed logins, in the notation of the ``limits`` package."""
    limit = parse_text(value)
    if limit.strip().lower() == "none":
        return None
    try:
        items = parse_limit(limit)
    except ValueError:
        items = []
    if not items or not all(
        item.amount > 0 and 0 < item.get_expiry() <= MAX_DURATION_SECONDS for item in items
    ):
        raise SettingError(f'must be such as "10/minute", or None, not {limit!r}')
    return limit


def parse_limit_storage(value: object) -> str:
    """Parse the URI of the storage that counts failed logins."""
    uri = parse_text(value)
    try:
        check_storage(uri)
    except ValueError as error:
        raise SettingError(str(error)) from None
    return uri


def parse_maximum(value: object) -> int | None:
    """Parse a maximum number, or None for no bound."""
    if isinstance(value, str) and value.strip().lower() == "none":
        return None
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,6}", value.strip()):
        value = int(value.strip())
    if not isinstance(value, int) or isinstance(value, bool):
        raise SettingError(f"must be a whole number from 1 to {MAX_MAXIMUM}, or None, not {value!r}")
    if not 1 <= value <= MAX_MAXIMUM:
        # Without the value: Python does not write an integer of more than 4,300 digits.
        raise SettingError(f"must be a whole number from 1 to {MAX_MAXIMUM}, or None")
    return value


def parse_sessions(value: object) -> str:
    """Parse the URL of the session store."""
    from ..sessions import open_store  # Imported late: only needed with sessions.

    url = parse_text(value)
    if not re.match(r"[a-z0-9+]+://", url):
        raise SettingError("must be a SQLAlchemy URL, such as sqlite:///core-auth.db, or redis://...")
    try:
        open_store(url, directory="")
    except ValueError as error:
        raise SettingError(str(error)) from None
    return url


def parse_session_check(value: object) -> str:
    """Parse the moment at which a session is looked up."""
    if value in ("refresh", "always"):
        return value
    raise SettingError(f'must be "refresh" or "always", not {value!r}')


def parse_mapping(value: object, expected: str) -> Mapping[t.Any, t.Any]:
    """Parse a mapping, natively or as JSON.

    :param expected: a description of the right value, for the error.
    """
    value = _load_json(value, expected)
    if isinstance(value, Mapping):
        return value
    raise SettingError(f"must be {expected}, not {type(value).__name__}")


def parse_sequence(value: object, expected: str) -> Sequence[object]:
    """Parse a list, natively or as JSON.

    :param expected: a description of the right value, for the error.
    """
    value = _load_json(value, expected)
    if isinstance(value, (list, tuple)):
        return value
    raise SettingError(f"must be {expected}")


def parse_strings(value: object, name: str) -> list[str]:
    """Parse a native list of strings, none of them empty.

    :param name: the name of the list, for the error.
    """
    if isinstance(value, (list, tuple, set, frozenset)):
        strings = [element for element in value if isinstance(element, str) and element]
        if len(strings) == len(value):
            return strings
    raise SettingError(f"{name} must be a list of strings, not {value!r}")


def reject_unknown_members(entry: Mapping[t.Any, object], known: Sequence[str], place: str) -> None:
    """Raise if a mapping has a member that is not known, since it is probably misspelt.

    :param place: the mapping's place in the config, for the error.
    """
    unknown = sorted(str(name) for name in entry if name not in known)
    if unknown:
        raise SettingError(
            f"{place}: has {', '.join(unknown)}, which is unknown; it may have {', '.join(known)}"
        )


def _load_json(value: object, expected: str) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise SettingError(f"must be {expected}; as a string it must be JSON, which it is not") from None
