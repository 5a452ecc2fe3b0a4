"""The behaviour that all session stores share."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from flask_core_auth.sessions import Session, SessionStore
from flask_core_auth.sessions.store import Decision, RefreshRequest, Verdict

NOW = float(int(time.time()))
GRACE = 10
OWNER, EVE = "realm/local admin", "realm/local eve"
GONE, REUSED = Decision(Verdict.GONE), Decision(Verdict.REUSED)


def session(letter: str = "a", owner: str = OWNER, **changes: object) -> Session:
    values = Session(
        id=letter * 22,
        owner=owner,
        jti="first",
        previous_jti=None,
        rotated_at=None,
        created_at=int(NOW),
        last_used_at=int(NOW),
        expires_at=int(NOW) + 1000,
        address="192.0.2.1",
        user_agent="agent/1.0",
    )
    return replace(values, **changes)


def refresh(
    store: SessionStore,
    jti: str,
    successor: str | None = None,
    *,
    after: float = 0,
    max_age: int = 5000,
    owner: str = OWNER,
) -> Decision:
    """Use a refresh token.

    :param after: seconds since the session was opened.
    """
    return store.refresh(RefreshRequest("a" * 22, owner, jti, successor, NOW + after, GRACE, 1000, max_age))


def accepted(jti: str, expires_after: int) -> Decision:
    return Decision(Verdict.ACCEPTED, jti, int(NOW) + expires_after)


def test_stored_session_equals_the_opened_one(store: SessionStore) -> None:
    opened = session(user_agent=None, address=None)
    store.open(opened, now=NOW, limit=None)
    assert store.list_by_owner(OWNER, now=NOW) == [opened]
    assert store.is_live(opened.id, OWNER, now=NOW, max_age=5000)
    assert not store.is_live("b" * 22, OWNER, now=NOW, max_age=5000)


@pytest.mark.parametrize(
    "subject",
    ["auth0|5f", "two words", " ", "Zoë 🦊 \u2028\n\t'\"\\", "{a}b", "x" * 20_000, "%s:\x7f", "null"],
)
def test_subject_may_be_any_text(store: SessionStore, subject: str) -> None:
    owner = f"realm/tenant.example:8443 {subject}"
    opened = session(owner=owner, user_agent=subject[:256])
    store.open(opened, now=NOW, limit=None)
    assert refresh(store, "first", "second", owner=owner).jti == "second"
    (kept,) = store.list_by_owner(owner, now=NOW)
    assert (kept.idp, kept.subject, kept.user_agent) == ("tenant.example:8443", subject, subject[:256])
    assert store.end(opened.id, owner)


def test_owners_differ_by_case_accents_spaces_and_identity_provider(store: SessionStore) -> None:
    owners = (
        OWNER,
        "realm/local Admin",
        "realm/local ádmin",
        "realm/local admin ",
        "realm/host admin",
        "Realm/local admin",
    )
    for letter, owner in zip("abcdef", owners, strict=True):
        store.open(session(letter, owner), now=NOW, limit=None)
    assert [kept.id[0] for kept in store.list_by_owner(OWNER, now=NOW)] == ["a"]
    assert store.end_all("realm/local Admin") == ["b" * 22]


def test_refresh_without_rotation_changes_only_the_last_use(store: SessionStore) -> None:
    opened = session()
    store.open(opened, now=NOW, limit=None)
    assert refresh(store, "first", after=60.7) == accepted("first", 1000)
    assert store.list_by_owner(OWNER, now=NOW) == [replace(opened, last_used_at=int(NOW) + 60)]


def test_first_refresh_rotates_even_right_after_the_login(store: SessionStore) -> None:
    store.open(session(), now=NOW, limit=None)
    assert refresh(store, "first", "second", after=0.25) == accepted("second", 1000)
    kept = store.list_by_owner(OWNER, now=NOW)[0]
    assert (kept.jti, kept.previous_jti) == ("second", "first")
    assert kept.rotated_at == pytest.approx(NOW + 0.25, abs=0.001)


def test_rotation_extends_the_session_by_the_refresh_token_lifetime(store: SessionStore) -> None:
    store.open(session(), now=NOW, limit=None)
    assert refresh(store, "first", "second", after=900) == accepted("second", 1900)
    assert store.is_live("a" * 22, OWNER, now=NOW, max_age=5000)
    assert store.list_by_owner(OWNER, now=NOW + 1899)[0].expires_at == int(NOW) + 1900
    assert store.list_by_owner(OWNER, now=NOW + 1900) == []


def test_rotation_does_not_extend_the_session_past_its_maximum_age(store: SessionStore) -> None:
    store.open(session(), now=NOW, limit=None)
    assert refresh(store, "first", "second", after=900, max_age=1200) == accepted("second", 1200)
    assert refresh(store, "second", "third", after=1100, max_age=1200) == accepted("third", 1200)


def test_session_past_its_maximum_age_is_rejected_before_its_expiry(store: SessionStore) -> None:
    store.open(session(), now=NOW, limit=None)
    assert refresh(store, "first", after=499, max_age=500) == accepted("first", 1000)
    assert refresh(store, "first", after=500, max_age=500) == GONE


@pytest.mark.parametrize("late", [0, 5, 9.9])
def test_current_token_does_not_rotate_again_within_the_grace(store: SessionStore, late: float) -> None:
    store.open(session(), now=NOW, limit=None)
    refresh(store, "first", "second", after=100)
    assert refresh(store, "second", "third", after=100 + late) == accepted("second", 1100)


def test_without_a_grace_every_refresh_rotates_and_reuse_ends_the_session(store: SessionStore) -> None:
    def refresh_at_once(jti: str, successor: str) -> Decision:
        return store.refresh(RefreshRequest("a" * 22, OWNER, jti, successor, NOW, 0, 1000, 5000))

    store.open(session(), now=NOW, limit=None)
    assert refresh_at_once("first", "second") == accepted("second", 1000)
    assert refresh_at_once("second", "third") == accepted("third", 1000)
    assert refresh_at_once("second", "fourth").verdict is Verdict.REUSED
    assert refresh_at_once("third", "fourth") == GONE


def test_without_a_grace_a_concurrent_use_with_an_earlier_time_is_reuse(store: SessionStore) -> None:
    store.open(session(), now=NOW, limit=None)
    one, other = (
        store.refresh(RefreshRequest("a" * 22, OWNER, "first", successor, NOW + after, 0, 1000, 5000))
        for successor, after in (("second", 1.5), ("third", 1.4))
    )
    assert (one.verdict, other.verdict) == (Verdict.ACCEPTED, Verdict.REUSED)


def test_current_token_rotates_again_after_the_grace(store: SessionStore) -> None:
    store.open(session(), now=NOW, limit=None)
    refresh(store, "first", "second", after=100)
    assert refresh(store, "second", "third", after=110.1) == accepted("third", 1110)


@pytest.mark.parametrize("late", [0, 5, 9.9])
def test_previous_token_returns_the_current_one_within_the_grace(store: SessionStore, late: float) -> None:
    store.open(session(), now=NOW, limit=None)
    refresh(store, "first", "second", after=100)
    assert refresh(store, "first", "third", after=100 + late) == accepted("second", 1100)


def test_previous_token_ends_the_session_after_the_grace(store: SessionStore) -> None:
    store.open(session(), now=NOW, limit=None)
    refresh(store, "first", "second", after=100)
    assert refresh(store, "first", "third", after=110.1) == REUSED
    assert not store.is_live("a" * 22, OWNER, now=NOW, max_age=5000)
    assert refresh(store, "second", "third", after=111) == GONE


def test_token_older_than_the_previous_one_ends_the_session_within_the_grace(store: SessionStore) -> None:
    store.open(session(), now=NOW, limit=None)
    refresh(store, "first", "second")
    refresh(store, "second", "third", after=10.1)
    assert refresh(store, "first", "fourth", after=11) == REUSED
    assert not store.is_live("a" * 22, OWNER, now=NOW, max_age=5000)


def test_previous_token_ends_the_session_after_rotation_was_switched_off(store: SessionStore) -> None:
    store.open(session(), now=NOW, limit=None)
    refresh(store, "first", "second")
    assert refresh(store, "first", after=5) == accepted("second", 1000)
    assert refresh(store, "second", after=50) == accepted("second", 1000)
    assert refresh(store, "first", after=60) == REUSED


def test_unknown_token_id_ends_the_session(store: SessionStore) -> None:
    store.open(session(), now=NOW, limit=None)
    assert refresh(store, "forged", "second") == REUSED
    assert refresh(store, "first", "second") == GONE


def test_expired_session_is_rejected(store: SessionStore) -> None:
    store.open(session(), now=NOW, limit=None)
    assert refresh(store, "first", after=999.9) == accepted("first", 1000)
    assert refresh(store, "first", after=1000) == GONE
    assert refresh(store, "forged", after=1000) == GONE


def test_refresh_does_not_revive_an_ended_session(store: SessionStore) -> None:
    store.open(session(), now=NOW, limit=None)
    assert store.end("a" * 22, OWNER)
    assert refresh(store, "first", "second") == GONE
    assert not store.is_live("a" * 22, OWNER, now=NOW, max_age=5000)
    assert store.list_by_owner(OWNER, now=NOW) == []


def test_only_the_owner_can_end_a_session_and_only_once(store: SessionStore) -> None:
    store.open(session(), now=NOW, limit=None)
    assert not store.end("a" * 22, EVE)
    assert store.is_live("a" * 22, OWNER, now=NOW, max_age=5000)
    assert store.end("a" * 22, OWNER)
    assert not store.end("a" * 22, OWNER)


def test_session_of_another_owner_is_neither_found_nor_refreshed_nor_ended(store: SessionStore) -> None:
    opened = session()
    store.open(opened, now=NOW, limit=None)
    assert store.find(opened.id, OWNER, now=NOW, max_age=5000) == opened
    for jti, successor in (("first", None), ("first", "second"), ("forged", "second")):
        assert refresh(store, jti, successor, after=5, owner=EVE) == GONE
    assert store.find(opened.id, EVE, now=NOW, max_age=5000) is None
    assert not store.is_live(opened.id, EVE, now=NOW, max_age=5000)
    assert store.find(opened.id, OWNER, now=NOW, max_age=5000) == opened


def test_expired_and_old_sessions_are_not_found(store: SessionStore) -> None:
    store.open(session(), now=NOW, limit=None)
    assert store.find("a" * 22, OWNER, now=NOW + 999, max_age=1000) is not None
    assert store.find("a" * 22, OWNER, now=NOW + 1000, max_age=5000) is None
    assert store.find("a" * 22, OWNER, now=NOW + 500, max_age=500) is None
    assert store.find("b" * 22, OWNER, now=NOW, max_age=5000) is None


def test_ending_all_sessions_of_an_owner_spares_other_owners(store: SessionStore) -> None:
    for letter in "abc":
        store.open(session(letter), now=NOW, limit=None)
    store.open(session("d", EVE), now=NOW, limit=None)
    assert sorted(store.end_all(OWNER)) == ["a" * 22, "b" * 22, "c" * 22]
    assert store.end_all(OWNER) == []
    assert store.list_by_owner(OWNER, now=NOW) == []
    assert store.is_live("d" * 22, EVE, now=NOW, max_age=5000)


def test_more_sessions_than_one_batch_are_all_ended(store: SessionStore) -> None:
    for number in range(501):
        store.open(replace(session(), id=f"{number:022}"), now=NOW, limit=None)
    assert len(store.end_all(OWNER)) == 501
    assert store.list_by_owner(OWNER, now=NOW) == []


def test_sessions_are_listed_most_recently_used_first(store: SessionStore) -> None:
    store.open(session("a"), now=NOW, limit=None)
    store.open(session("b", created_at=int(NOW) - 50, last_used_at=int(NOW) - 10), now=NOW, limit=None)
    store.open(session("c", created_at=int(NOW) - 90, last_used_at=int(NOW) - 10), now=NOW, limit=None)
    assert [kept.id[0] for kept in store.list_by_owner(OWNER, now=NOW)] == ["a", "b", "c"]
    refresh(store, "first")
    store.refresh(RefreshRequest("c" * 22, OWNER, "first", None, NOW + 5, GRACE, 1000, 5000))
    assert [kept.id[0] for kept in store.list_by_owner(OWNER, now=NOW)] == ["c", "a", "b"]


def test_live_session_ends_at_the_current_greatest_age(store: SessionStore) -> None:
    store.open(session(), now=NOW, limit=None)
    assert store.is_live("a" * 22, OWNER, now=NOW + 499, max_age=500)
    assert not store.is_live("a" * 22, OWNER, now=NOW + 500, max_age=500)
