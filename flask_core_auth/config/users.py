"""Users who are configured in ``API_AUTH_USERNAME`` and ``API_AUTH_USERS``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..identity import is_subject
from ..passwords import StoredPassword
from .values import SettingError, parse_mapping, parse_password, parse_scopes, reject_unknown_members


@dataclass(frozen=True, slots=True)
class LocalUser:
    """A configured user.

    :param name: the username, and the subject of the user's tokens.
    :param password: the password, as it is configured.
    :param scopes: the scopes of the user; ``"*"`` stands for every scope.
    """

    name: str
    password: StoredPassword
    scopes: frozenset[str]


def parse_users(value: object) -> Mapping[str, LocalUser]:
    """Parse ``API_AUTH_USERS``: ``{name: {"password": ..., "scopes": [...]}}``, natively or as JSON.

    :raises SettingError: if an entry cannot be used; the message names the user.
    """
    entries = parse_mapping(value, 'a mapping of {name: {"password", "scopes"}}')
    users: dict[str, LocalUser] = {}
    for name, entry in entries.items():
        if not is_subject(name):
            raise SettingError(f"has a username that is empty or not a string: {name!r}")
        if not isinstance(entry, Mapping) or not entry.get("password"):
            raise SettingError(f'{name}: must be a mapping with a "password" and, if it has any, "scopes"')
        reject_unknown_members(entry, ("password", "scopes"), name)
        try:
            password = parse_password(entry["password"])
            scopes = parse_scopes(entry.get("scopes", ()))
        except SettingError as problem:
            raise SettingError(f"{name}: {problem}") from None
        users[name] = LocalUser(name, password, scopes)
    return users
