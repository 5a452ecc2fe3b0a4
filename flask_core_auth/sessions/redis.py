"""Sessions in Redis or Valkey: one key for each session, which expires by itself, and one index for each
owner.

No command and no script uses more than one key, so a cluster may distribute the keys in any way.
"""

from __future__ import annotations

import hashlib
import json
import math
import typing as t
from dataclasses import fields

from redis import Redis, RedisError
from redis import TimeoutError as RedisTimeoutError
from redis.backoff import NoBackoff
from redis.retry import Retry

from .store import MAX_LISTED, Decision, RefreshRequest, Session, StoreDownError, StoreTimeoutError, Verdict

if t.TYPE_CHECKING:
    from collections.abc import Callable

#: Time limit for a connection, and for each response. No call waits for more than two of them.
WAIT_TIMEOUT_SECONDS = 0.45
#: Maximum number of sessions that one call to the server ends.
BATCH = 500

# KEYS[1]: the session. ARGV: the ID presented, its successor or "", now, grace, lifetime, max. age.
# A session is one string: with a user agent, it takes a third of the memory of a hash, and one GET reads
# it.
_REFRESH = """
local kept = redis.call('GET', KEYS[1])
if not kept then return {'gone'} end
local session = cjson.decode(kept)
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
return {'accepted', session.jti, session.expires_at, session.owner}
"""
# KEYS[1]: the session. ARGV: its expected owner.
_END = """
local kept = redis.call('GET', KEYS[1])
if not kept or cjson.decode(kept).owner ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
# KEYS[1]: the index of an owner. ARGV: a session's ID, its expiry, now. The index lives as long as its
# session with the latest expiry.
_INDEX = """
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if last[2] then redis.call('EXPIRE', KEYS[1], math.ceil(last[2] - ARGV[3])) end
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

    def open(self, session: Session, *, now: float) -> None:
        def call() -> None:
            # The index comes second. If it fails, the login fails too: no client has a token of a session
            # that revoke() cannot find.
            seconds = math.ceil(session.expires_at - now)
            self._client.set(_session_key(session.id), _dump(session), ex=seconds)
            self._index([_index_key(session.owner)], [session.id, session.expires_at, repr(now)])

        _run(call)

    def refresh(self, request: RefreshRequest) -> Decision:
        def call() -> Decision:
            verdict, *rest = self._refresh(
                [_session_key(request.session)],
                [
                    request.jti,
                    request.successor or "",
                    repr(request.now),
                    request.grace,
                    request.lifetime,
                    request.max_age,
                ],
            )
            if verdict != b"accepted":
                return Decision(Verdict(verdict.decode()))
            jti, expires_at, owner = rest[0].decode(), int(rest[1]), rest[2].decode()
            if jti == request.successor:
                self._restore_index(owner, request.session, expires_at, request.now)
            return Decision(Verdict.ACCEPTED, jti, expires_at)

        return _run(call)

    def _restore_index(self, owner: str, session_id: str, expires_at: int, now: float) -> None:
        # The index may have been lost (evicted, deleted): revoke() would not find the session.
        self._index([_index_key(owner)], [session_id, expires_at, repr(now)])
        if not self._client.exists(_session_key(session_id)):  # ended since it was refreshed
            self._client.zrem(_index_key(owner), session_id)

    def is_live(self, session_id: str, *, now: float, max_age: int) -> bool:
        # The key of a session expires with it, but by the max_age that was set at its last refresh.
        kept = t.cast("bytes | None", _run(lambda: self._client.get(_session_key(session_id))))
        return kept is not None and _load(session_id, kept).created_at + max_age > now

    def list_by_owner(self, owner: str, *, now: float) -> list[Session]:
        def call() -> list[Session]:
            listed = t.cast("list[bytes]", self._client.zrevrange(_index_key(owner), 0, MAX_LISTED - 1))
            ids = [session_id.decode() for session_id in listed]
            pipeline = self._client.pipeline(transaction=False)
            for session_id in ids:
                pipeline.get(_session_key(session_id))
            kept = zip(ids, pipeline.execute(), strict=True)
            return [_load(session_id, text) for session_id, text in kept if text is not None]

        live = [session for session in _run(call) if session.expires_at > now]
        return sorted(live, key=lambda session: (-session.last_used_at, -session.created_at, session.id))

    def end(self, session_id: str, owner: str) -> bool:
        def call() -> bool:
            ended = bool(self._end([_session_key(session_id)], [owner]))
            if ended:
                self._client.zrem(_index_key(owner), session_id)
            return ended

        return _run(call)

    def end_all(self, owner: str) -> list[str]:
        ended: list[str] = []
        while batch := _run(lambda: self._end_batch(_index_key(owner))):
            ended += (session_id for session_id, was_live in batch if was_live)
        return ended

    def _end_batch(self, index: str) -> list[tuple[str, bool]]:
        listed = t.cast("list[bytes]", self._client.zrange(index, 0, BATCH - 1))
        if not listed:
            return []
        ids = [session_id.decode() for session_id in listed]
        pipeline = self._client.pipeline(transaction=False)
        for session_id in ids:
            pipeline.delete(_session_key(session_id))
        # Not the whole index: a login may have added to it in between.
        pipeline.zrem(index, *ids)
        *deleted, _ = pipeline.execute()
        return [(session_id, count == 1) for session_id, count in zip(ids, deleted, strict=True)]


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


_MEMBERS = tuple(field.name for field in fields(Session) if field.name != "id")


def _dump(session: Session) -> str:
    return json.dumps({name: getattr(session, name) for name in _MEMBERS}, separators=(",", ":"))


def _load(session_id: str, text: bytes) -> Session:
    return Session(id=session_id, **json.loads(text))
