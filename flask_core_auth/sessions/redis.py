"""Sessions in Redis or Valkey: one key for each session, which expires by itself, and one index for each
owner.

An index has two members for each session: its ID, with its expiry as the score, and its ID after a colon,
with the time of its last use. These times are moved before all expiries, so that the session that was
unused longest comes first.

No command and no script uses more than one key, so a cluster may distribute the keys in any way.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import typing as t
from dataclasses import fields

from redis import Redis, RedisError
from redis import TimeoutError as RedisTimeoutError
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from .store import (
    MAX_ENDED,
    MAX_LISTED,
    Decision,
    RefreshRequest,
    Session,
    StoreDownError,
    StoreTimeoutError,
    Verdict,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis.client import Pipeline

#: Time limit for a connection, and for each response. No call waits for more than two of them.
WAIT_TIMEOUT_SECONDS = 0.45
#: Maximum number of sessions that one call to the server ends.
BATCH = 500
#: Seconds that are taken from a last use, which makes it negative until the year 2286.
USES_OFFSET = 10_000_000_000

# KEYS[1]: the session. ARGV: the ID presented, its successor or "", now, grace, lifetime, max. age, the
# expected owner.
# A session is one string: with a user agent, it takes a third of the memory of a hash, and one GET reads
# it.
_REFRESH = """
local kept = redis.call('GET', KEYS[1])
if not kept then return {'gone'} end
local session = cjson.decode(kept)
if session.owner ~= ARGV[7] then return {'gone'} end
local presented, successor = ARGV[1], ARGV[2]
local now, grace = tonumber(ARGV[3]), tonumber(ARGV[4])
local oldest = session.created_at + tonumber(ARGV[6])
if session.expires_at <= now or oldest <= now then return {'gone'} end
local rotated = session.rotated_at ~= cjson.null and session.rotated_at > now - grace
if presented ~= session.jti and not (rotated and presented == session.previous_jti) then
  redis.call('DEL', KEYS[1])
  return {'reused'}
end
if successor == '' or not rotated then
  if successor ~= '' then
    session.previous_jti, session.jti, session.rotated_at = session.jti, successor, now
    session.expires_at = math.min(math.floor(now) + tonumber(ARGV[5]), oldest)
  end
  session.last_used_at = math.floor(now)
  redis.call('SET', KEYS[1], cjson.encode(session), 'EX', math.ceil(session.expires_at - now))
end
return {'accepted', session.jti, session.expires_at}
"""
# KEYS[1]: the session. ARGV: its expected owner.
_END = """
local kept = redis.call('GET', KEYS[1])
if not kept or cjson.decode(kept).owner ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
# KEYS[1]: the index of an owner. ARGV: a session's ID, its expiry, its last use, now, the limit or "", the
# maximum to return. The index lives as long as its session with the latest expiry. Returns the sessions
# past the limit that were unused longest, never the new one, whose time may equal another's.
_INDEX = """
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1], ARGV[3], ':' .. ARGV[1])
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], 0, ARGV[4])) do
  redis.call('ZREM', KEYS[1], id, ':' .. id)
end
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if not last[2] then return {} end
redis.call('EXPIRE', KEYS[1], math.ceil(last[2] - ARGV[4]))
if ARGV[5] == '' then return {} end
local excess = redis.call('ZCOUNT', KEYS[1], 0, '+inf') - ARGV[5]
if excess <= 0 then return {} end
excess = math.min(excess, ARGV[6])
local longest = {}
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, excess)) do
  if member ~= ':' .. ARGV[1] and #longest < excess then table.insert(longest, member) end
end
return longest
"""

T = t.TypeVar("T")


class RedisStore:
    """Sessions in Redis or Valkey, of any version from 5 on.

    :param url: a URL for redis-py's ``from_url``: ``redis://``, ``rediss://`` or ``unix://``.
    :raises ValueError: if the URL cannot be used. The message says why, and does not quote the URL, since
        the URL may hold a password.
    """

    def __init__(self, url: str) -> None:
        try:
            # redis-py connects at its first call, and again in a forked process.
            self._client: Redis = Redis.from_url(
                url,
                socket_connect_timeout=WAIT_TIMEOUT_SECONDS,
                socket_timeout=WAIT_TIMEOUT_SECONDS,
                retry=Retry(NoBackoff(), 0),
                # RESP3 is not needed, and older servers do not support it.
                protocol=2,
            )
            pool = self._client.connection_pool
            pool.connection_class(**pool.connection_kwargs)
        except (ValueError, TypeError, RedisError):
            raise ValueError("is no URL that redis can read, or has parameters that it lacks") from None
        self._refresh = self._client.register_script(_REFRESH)
        self._end = self._client.register_script(_END)
        self._index = self._client.register_script(_INDEX)

    def open(self, session: Session, *, now: float, limit: int | None) -> list[str]:
        # The index comes second. If it fails, the login fails too: no client has a token of a session that
        # revoke() cannot find.
        seconds = math.ceil(session.expires_at - now)
        arguments = _index_arguments(session.id, session.expires_at, now, limit)
        _, past_limit = self._send(
            lambda pipeline: pipeline.set(_session_key(session.id), _dump(session), ex=seconds),
            lambda pipeline: pipeline.evalsha(self._index.sha, 1, _index_key(session.owner), *arguments),
        )
        if not past_limit:
            return []
        # If this fails, the next login of the owner ends them: this login has succeeded.
        with contextlib.suppress(StoreDownError):
            return self._delete(_index_key(session.owner), [_id(member) for member in past_limit])
        return []

    def refresh(self, request: RefreshRequest) -> Decision:
        arguments = (
            request.jti,
            request.successor or "",
            repr(request.now),
            request.grace,
            request.lifetime,
            request.max_age,
            request.owner,
        )
        session, index = request.session, _index_key(request.owner)
        use = {f":{session}": _use(request.now)}
        (verdict, *rest), _ = self._send(
            lambda pipeline: pipeline.evalsha(self._refresh.sha, 1, _session_key(session), *arguments),
            # In the same message, so that it costs little. An ended session is not added again.
            lambda pipeline: pipeline.zadd(index, use, xx=True),
        )
        if verdict == b"reused":
            # The session has ended in any case, and its owner must learn of it.
            with contextlib.suppress(StoreDownError):
                _run(lambda: self._remove_from_index(index, session))
        if verdict != b"accepted":
            return Decision(Verdict(verdict.decode()))
        decision = Decision(Verdict.ACCEPTED, rest[0].decode(), int(rest[1]))
        if decision.jti == request.successor:
            _run(lambda: self._restore_index(request, decision.expires_at))
        return decision

    def _restore_index(self, request: RefreshRequest, expires_at: int) -> None:
        # The index may have been lost (evicted, deleted): revoke() would not find the session.
        index = _index_key(request.owner)
        self._index([index], _index_arguments(request.session, expires_at, request.now, None))
        if not self._client.exists(_session_key(request.session)):  # ended since it was refreshed
            self._remove_from_index(index, request.session)

    def is_live(self, session_id: str, owner: str, *, now: float, max_age: int) -> bool:
        return self.find(session_id, owner, now=now, max_age=max_age) is not None

    def find(self, session_id: str, owner: str, *, now: float, max_age: int) -> Session | None:
        kept = t.cast("bytes | None", _run(lambda: self._client.get(_session_key(session_id))))
        if kept is None:
            return None
        session = _load(session_id, kept)
        # The key of a session expires with it, but by the max_age that was set at its last refresh.
        ends_at = min(session.expires_at, session.created_at + max_age)
        return session if session.owner == owner and ends_at > now else None

    def list_by_owner(self, owner: str, *, now: float) -> list[Session]:
        def call() -> list[Session]:
            listed = self._client.zrevrangebyscore(_index_key(owner), "(0", "-inf", start=0, num=MAX_LISTED)
            ids = [_id(member) for member in t.cast("list[bytes]", listed)]
            pipeline = self._client.pipeline(transaction=False)
            for session_id in ids:
                pipeline.get(_session_key(session_id))
            kept = zip(ids, pipeline.execute(), strict=True)
            return [_load(session_id, text) for session_id, text in kept if text is not None]

        live = [session for session in _run(call) if session.expires_at > now]
        return sorted(live, key=lambda session: (-session.last_used_at, -session.created_at, session.id))

    def end(self, session_id: str, owner: str) -> bool:
        def call() -> bool:
            # The index comes second, and only then: a session that it does not list cannot be revoked.
            ended = bool(self._end([_session_key(session_id)], [owner]))
            if ended:
                self._remove_from_index(_index_key(owner), session_id)
            return ended

        return _run(call)

    def end_all(self, owner: str) -> list[str]:
        index, ended = _index_key(owner), []
        while listed := _run(lambda: self._client.zrangebyscore(index, 0, "+inf", start=0, num=BATCH)):
            ended += self._delete(index, [_id(member) for member in t.cast("list[bytes]", listed)])
        return ended

    def _delete(self, index: str, ids: list[str]) -> list[str]:
        """Delete sessions that an index lists, and return the IDs of those that existed."""

        def call() -> list[int]:
            pipeline = self._client.pipeline(transaction=False)
            for session_id in ids:
                pipeline.delete(_session_key(session_id))
            # Not the whole index: a login may have added to it in between.
            pipeline.zrem(index, *_members(ids))
            return pipeline.execute()[:-1]

        return [session_id for session_id, count in zip(ids, _run(call), strict=True) if count]

    def _remove_from_index(self, index: str, session_id: str) -> None:
        self._client.zrem(index, *_members([session_id]))

    def _send(self, *commands: Callable[[Pipeline], object]) -> list[t.Any]:
        """Send commands in one message, and return their results."""

        def call() -> list[t.Any]:
            pipeline = self._client.pipeline(transaction=False)
            for command in commands:
                command(pipeline)
            return pipeline.execute()

        def call_with_scripts() -> list[t.Any]:
            try:
                return call()
            except NoScriptError:  # the server has restarted, or has dropped its scripts
                for script in (self._refresh, self._end, self._index):
                    self._client.script_load(script.script)
                return call()

        return _run(call_with_scripts)


def _run(call: Callable[[], T]) -> T:
    try:
        return call()
    except (RedisError, OSError) as error:
        kind = StoreTimeoutError if isinstance(error, RedisTimeoutError) else StoreDownError
        raise kind(f"{type(error).__name__}: {error}") from error


def _session_key(session_id: str) -> str:
    return f"core-auth:session:{session_id}"


def _index_key(owner: str) -> str:
    # Hashed: an owner may be long, and a brace in it would choose its slot in a cluster.
    return f"core-auth:owner:{hashlib.sha256(owner.encode()).hexdigest()[:32]}"


def _members(ids: Sequence[str]) -> list[str]:
    """Return the members of sessions in their owner's index."""
    return [member for session_id in ids for member in (session_id, f":{session_id}")]


def _id(member: bytes) -> str:
    return member.decode().removeprefix(":")


def _use(now: float) -> float:
    return round(now - USES_OFFSET, 3)


def _index_arguments(session_id: str, expires_at: int, now: float, limit: int | None) -> list[str | int]:
    past = "" if limit is None else limit
    return [session_id, expires_at, repr(_use(now)), repr(now), past, MAX_ENDED]


_MEMBERS = tuple(field.name for field in fields(Session) if field.name != "id")


def _dump(session: Session) -> str:
    return json.dumps({name: getattr(session, name) for name in _MEMBERS}, separators=(",", ":"))


def _load(session_id: str, text: bytes) -> Session:
    return Session(id=session_id, **json.loads(text))
