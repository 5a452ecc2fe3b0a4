"""Sessions in Redis or Valkey: one key for each session, which expires by itself, and one index for each
owner.

An index has two members for each session. The ID has the expiry as its score. The ID after a colon has the
time of the last use. These times are moved before all expiries, so that the session that was
unused longest comes first.

The keys of an owner begin with a hash of the owner, so a session is found only with its owner. The braces
are a hash tag: in a cluster, the keys of an owner are in one slot. Each step is one script, and atomic.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import typing as t
from dataclasses import fields
from functools import lru_cache

from redis import Redis, RedisError
from redis import TimeoutError as RedisTimeoutError
from redis.backoff import NoBackoff
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
    from collections.abc import Callable

#: Time limit for a connection, and for each response. No call waits for more than two of them.
WAIT_TIMEOUT_SECONDS = 0.45
#: Maximum number of sessions that one call to the server ends.
BATCH = 500
#: Seconds that are taken from a last use, which makes it negative until the year 2286.
USES_OFFSET = 10_000_000_000

# KEYS: an owner's index, the session. ARGV: the session as JSON, the seconds that it lives, its ID, its
# expiry, its last use, now, the limit or "", the maximum to end, the beginning of the keys of sessions. The
# index lives as long as its session with the latest expiry. Returns the sessions that were ended: never the
# new one, whose last use may equal another's.
_OPEN = """
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
redis.call('ZADD', KEYS[1], ARGV[4], ARGV[3], ARGV[5], ':' .. ARGV[3])
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], 0, ARGV[6])) do
  redis.call('ZREM', KEYS[1], id, ':' .. id)
end
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if last[2] then redis.call('EXPIRE', KEYS[1], math.ceil(last[2] - ARGV[6])) end
local ended = {}
if ARGV[7] == '' then return ended end
local excess = math.min(redis.call('ZCOUNT', KEYS[1], 0, '+inf') - ARGV[7], ARGV[8])
if excess <= 0 then return ended end
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, excess)) do
  local id = string.sub(member, 2)
  if id ~= ARGV[3] and excess > 0 then
    excess = excess - 1
    redis.call('ZREM', KEYS[1], id, member)
    if redis.call('DEL', ARGV[9] .. id) == 1 then table.insert(ended, id) end
  end
end
return ended
"""
# KEYS: an owner's index, the session. ARGV: the ID presented, its successor or "", now, the time of
# the oldest rotation within the grace, lifetime,
# max. age, the session's ID, its last use.
# A session is one string: with a user agent, it takes a third of the memory of a hash, and one GET reads
# it. The index may have been lost (evicted, deleted): each refresh restores the entry of its session, so
# that revoke() finds it.
_REFRESH = """
local kept = redis.call('GET', KEYS[2])
if not kept then return {'gone'} end
local session = cjson.decode(kept)
local presented, successor = ARGV[1], ARGV[2]
local now, grace_began = tonumber(ARGV[3]), tonumber(ARGV[4])
local oldest = session.created_at + tonumber(ARGV[6])
if session.expires_at <= now or oldest <= now then return {'gone'} end
local rotated = session.rotated_at ~= cjson.null and session.rotated_at > grace_began
if presented ~= session.jti and not (rotated and presented == session.previous_jti) then
  redis.call('DEL', KEYS[2])
  redis.call('ZREM', KEYS[1], ARGV[7], ':' .. ARGV[7])
  return {'reused'}
end
local seconds = math.ceil(session.expires_at - now)
if successor == '' or not rotated then
  if successor ~= '' then
    session.previous_jti, session.jti, session.rotated_at = session.jti, successor, now
    session.expires_at = math.min(math.floor(now) + tonumber(ARGV[5]), oldest)
    seconds = math.ceil(session.expires_at - now)
  end
  session.last_used_at = math.floor(now)
  redis.call('SET', KEYS[2], cjson.encode(session), 'EX', seconds)
end
redis.call('ZADD', KEYS[1], session.expires_at, ARGV[7], ARGV[8], ':' .. ARGV[7])
if redis.call('TTL', KEYS[1]) < seconds then redis.call('EXPIRE', KEYS[1], seconds) end
return {'accepted', session.jti, session.expires_at}
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
        self._open = self._client.register_script(_OPEN)
        self._refresh = self._client.register_script(_REFRESH)

    def open(self, session: Session, *, now: float, limit: int | None) -> list[str]:
        arguments: list[str | int] = [
            _dump(session),
            math.ceil(session.expires_at - now),
            session.id,
            session.expires_at,
            _use(now),
            repr(now),
            "" if limit is None else limit,
            MAX_ENDED,
            _slot(session.owner),
        ]
        ended = _run(lambda: self._open(_keys(session.owner, session.id), arguments))
        return [session_id.decode() for session_id in ended]

    def refresh(self, request: RefreshRequest) -> Decision:
        arguments: list[str | int] = [
            request.jti,
            request.successor or "",
            repr(request.now),
            repr(request.now - request.grace if request.grace else math.inf),
            request.lifetime,
            request.max_age,
            request.session,
            _use(request.now),
        ]
        verdict, *rest = _run(lambda: self._refresh(_keys(request.owner, request.session), arguments))
        if verdict != b"accepted":
            return Decision(Verdict(verdict.decode()))
        return Decision(Verdict.ACCEPTED, rest[0].decode(), int(rest[1]))

    def is_live(self, session_id: str, owner: str, *, now: float, max_age: int) -> bool:
        return self.find(session_id, owner, now=now, max_age=max_age) is not None

    def find(self, session_id: str, owner: str, *, now: float, max_age: int) -> Session | None:
        kept = t.cast("bytes | None", _run(lambda: self._client.get(_session_key(owner, session_id))))
        if kept is None:
            return None
        session = _load(owner, session_id, kept)
        # The key of a session expires with it, but by the max_age that was set at its last refresh.
        return session if min(session.expires_at, session.created_at + max_age) > now else None

    def list_by_owner(self, owner: str, *, now: float) -> list[Session]:
        def call() -> list[Session]:
            listed = self._client.zrevrangebyscore(_index_key(owner), "(0", "-inf", start=0, num=MAX_LISTED)
            ids = [member.decode().removeprefix(":") for member in t.cast("list[bytes]", listed)]
            pipeline = self._client.pipeline(transaction=False)
            for session_id in ids:
                pipeline.get(_session_key(owner, session_id))
            kept = zip(ids, pipeline.execute(), strict=True)
            return [_load(owner, session_id, text) for session_id, text in kept if text is not None]

        live = [session for session in _run(call) if session.expires_at > now]
        return sorted(live, key=lambda session: (-session.last_used_at, -session.created_at, session.id))

    def end(self, session_id: str, owner: str) -> bool:
        return self._end_batch([session_id], owner) == [session_id]

    def end_all(self, owner: str) -> list[str]:
        ended: list[str] = []
        while listed := _run(
            lambda: self._client.zrangebyscore(_index_key(owner), 0, "+inf", start=0, num=BATCH)
        ):
            ended += self._end_batch([member.decode() for member in t.cast("list[bytes]", listed)], owner)
        return ended

    def _end_batch(self, ids: list[str], owner: str) -> list[str]:
        """End sessions of an owner, and return the IDs of those that existed."""

        def call() -> list[int]:
            pipeline = self._client.pipeline(transaction=False)
            for session_id in ids:
                pipeline.delete(_session_key(owner, session_id))
            # Last: a session that the index does not list cannot be revoked. Not the whole index: a login
            # may have added to it in between.
            pipeline.zrem(_index_key(owner), *ids, *(f":{session_id}" for session_id in ids))
            return pipeline.execute()[:-1]

        return [session_id for session_id, count in zip(ids, _run(call), strict=True) if count]


def _run(call: Callable[[], T]) -> T:
    try:
        return call()
    except (RedisError, OSError) as error:
        kind = StoreTimeoutError if isinstance(error, RedisTimeoutError) else StoreDownError
        raise kind(f"{type(error).__name__}: {error}") from error


@lru_cache(maxsize=256)  # 1.5 of the 100 microseconds of a protected request that looks up its session
def _slot(owner: str) -> str:
    # Hashed: an owner may be long, and may contain a brace, which would change the slot.
    digest = base64.b64encode(hashlib.sha256(owner.encode()).digest()[:16])[:22]
    return f"core-auth:{{{digest.decode()}}}:"


def _session_key(owner: str, session_id: str) -> str:
    return _slot(owner) + session_id


def _index_key(owner: str) -> str:
    return _session_key(owner, "sessions")


def _keys(owner: str, session_id: str) -> list[str]:
    return [_index_key(owner), _session_key(owner, session_id)]


def _use(now: float) -> str:
    return repr(round(now - USES_OFFSET, 3))


_MEMBERS = tuple(field.name for field in fields(Session) if field.name not in ("id", "owner"))


def _dump(session: Session) -> str:
    return json.dumps({name: getattr(session, name) for name in _MEMBERS}, separators=(",", ":"))


def _load(owner: str, session_id: str, text: bytes) -> Session:
    return Session(id=session_id, owner=owner, **json.loads(text))
