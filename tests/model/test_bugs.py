"""The model finds bugs: each of these is put into the code, and the machine notices it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from flask_core_auth import sessions
from flask_core_auth.sessions import Sessions, SessionStore, open_store, sql
from flask_core_auth.sessions.store import RefreshRequest
from flask_core_auth.tokens import Tokens
from flask_core_auth.validators.local import LocalValidator

from ..stores import close_store
from .test_model import play

#: More than are needed, by far.
RUNS = 500

Patch = pytest.MonkeyPatch


def grace_is_ignored(patch: Patch) -> None:
    patch.setattr(sessions, "RefreshRequest", lambda **values: RefreshRequest(**{**values, "grace": 0}))


def spent_token_is_accepted(patch: Patch) -> None:
    patch.setattr(sessions, "RefreshRequest", lambda **values: RefreshRequest(**{**values, "grace": 10**9}))


def realm_is_no_part_of_the_owner(patch: Patch) -> None:
    patch.setattr(Sessions, "_owner", lambda self, identity: f"x/{identity.idp} {identity.subject}")


def end_all_ends_the_sessions_of_another_user(patch: Patch) -> None:
    end_all = Sessions.end_all
    patch.setattr(
        Sessions, "end_all", lambda self, identity: end_all(self, replace(identity, subject="admin"))
    )


def new_password_is_not_noticed(patch: Patch) -> None:
    validate = LocalValidator.validate_again
    patch.setattr(
        LocalValidator, "validate_again", lambda self, name, credential: validate(self, name, None)
    )


def limit_ends_the_session_that_was_used_last(patch: Patch) -> None:
    longest = sql._unused_longest
    patch.setattr(
        sql,
        "_unused_longest",
        lambda connection, owner, *, keep: (
            longest(connection, owner, keep=keep) and longest(connection, owner, keep=0)[-1:]
        ),
    )


def limit_ends_nothing(patch: Patch) -> None:
    patch.setattr(sql, "_unused_longest", lambda connection, owner, *, keep: [])


def ended_session_is_live(patch: Patch) -> None:
    patch.setattr(Sessions, "is_live", lambda self, session_id, identity: True)


def fallback_secret_is_forgotten(patch: Patch) -> None:
    init = Tokens.__init__

    def forgetful(self: Tokens, *arguments: object) -> None:
        init(self, *arguments)  # type: ignore[arg-type]
        self._secrets = self._secrets[:1]

    patch.setattr(Tokens, "__init__", forgetful)


def old_secret_is_still_accepted(patch: Patch) -> None:
    secrets: set[bytes] = set()
    init = Tokens.__init__

    def hoarding(self: Tokens, *arguments: object) -> None:
        init(self, *arguments)  # type: ignore[arg-type]
        secrets.update(self._secrets)
        self._secrets = (*self._secrets, *secrets)

    patch.setattr(Tokens, "__init__", hoarding)


def repetition_sends_no_signal(patch: Patch) -> None:
    send = sessions.send
    patch.setattr(
        sessions,
        "send",
        lambda signal, **values: signal.name == "refresh-repeated" or send(signal, **values),
    )


BUGS = (
    grace_is_ignored,
    spent_token_is_accepted,
    realm_is_no_part_of_the_owner,
    end_all_ends_the_sessions_of_another_user,
    new_password_is_not_noticed,
    limit_ends_the_session_that_was_used_last,
    limit_ends_nothing,
    ended_session_is_live,
    fallback_secret_is_forgotten,
    old_secret_is_still_accepted,
    repetition_sends_no_signal,
)


@pytest.fixture
def store(sqlite_url: str) -> Iterator[SessionStore]:
    opened = open_store(sqlite_url, directory="/")
    yield opened
    close_store(opened)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_machine_notices_a_bug_that_is_put_into_the_code(
    store: SessionStore, sqlite_url: str, monkeypatch: Patch, bug: Callable[[Patch], None]
) -> None:
    bug(monkeypatch)
    with pytest.raises(AssertionError, match="expected one of"):
        play(store, sqlite_url, runs=RUNS, shrink=False)
