"""Sessions in Redis or Valkey: one key a session, which expires by itself, and an index an owner.

No command and no script touches more than one key, so that a cluster may keep each where it likes.
"""

from __future__ import annotations

import hashlib
import json
import math
import typing as t
from dataclasses import fields

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from .store import MAX_LISTED, Decision, Session, StoreDownError, Use, Verdict

if t.TYPE_CHECKING:
    from collections.abc import Callable

#: How long a call waits for a connection, and for each answer, in seconds. No call waits for more than two.
WAIT_TIMEOUT = 0.45
#: So many sessions are ended by one call to the server at most.
BATCH = 500

# KEYS[1]: the session. ARGV: the ID presented, its successor or "", now, grace, lifetime, max. age.
# A session is read and written as a whole: it takes a third of the memory of a hash that holds a user
# agent, and costs one GET to read.
_USE = """
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
# KEYS[1]: the session. ARGV: the owner that it has to be of.
_END = """
local kept = redis.call('GET', KEYS[1])
if not kept or cjson.decode(kept).owner ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
# KEYS[1]: the index of an owner. ARGV: a session's ID, when it expires, now, "XX" if it must be there.
# The index lives as long as the session in it that expires last.
_INDEX = """
if ARGV[4] == 'XX' then
  redis.call('ZADD', KEYS[1], 'XX', ARGV[2], ARGV[1])
else
  redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if last[2] then redis.call('EXPIRE', KEYS[1], math.ceil(last[2] - ARGV[3])) end
"""

T = t.TypeVar("T")


class RedisStore:
    """Sessions in Redis or Valkey, of any version from 5 on.

    :param url: what redis-py's ``from_url`` takes: ``redis://``, ``rediss://`` or ``unix://``.
    :raises ValueError: if the URL cannot be used; the message says why, and does not quote it, since it
        may hold a password.
    """

    def __init__(self, url: str) -> None:
        try:
            # redis-py connects when it is first asked to, and anew in a process that was forked.
            self._client: Redis = Redis.from_url(
                url,
                socket_connect_timeout=WAIT_TIMEOUT,
                socket_timeout=WAIT_TIMEOUT,
                retry=Retry(NoBackoff(), 0),
                # Nothing of RESP3 is used, and older servers do not speak it.
                protocol=2,
            )
            pool = self._client.connection_pool
            pool.connection_class(**pool.connection_kwargs)
        except (ValueError, TypeError, RedisError):
            raise ValueError("is no URL that redis can read, or has parameters that it lacks") from None
        self._use = self._client.register_script(_USE)
        self._end = self._client.register_script(_END)
        self._index = self._client.register_script(_INDEX)

    def open(self, session: Session, *, now: float) -> None:
        def call() -> None:
            # The index comes second: a session in no index could not be revoked, but of one that was not
            # indexed no token is given out.
            lives = math.ceil(session.expires_at - now)
            self._client.set(_session_key(session.id), _dump(session), ex=lives)
            self._index([_index_key(session.owner)], [session.id, session.expires_at, repr(now), ""])

        _run(call)

    def use(self, use: Use) -> Decision:
        def call() -> Decision:
            verdict, *rest = self._use(
                [_session_key(use.session)],
                [use.jti, use.successor or "", repr(use.now), use.grace, use.lifetime, use.max_age],
            )
            if verdict != b"accepted":
                return Decision(Verdict(verdict.decode()))
            jti, expires_at, owner = rest[0].decode(), int(rest[1]), rest[2].decode()
            if jti == use.successor:
                self._index([_index_key(owner)], [use.session, expires_at, repr(use.now), "XX"])
            return Decision(Verdict.ACCEPTED, jti, expires_at)

        return _run(call)

    def is_live(self, session_id: str, *, now: float) -> bool:
        # Its key expires with it.
        return _run(lambda: bool(self._client.exists(_session_key(session_id))))

    def of_owner(self, owner: str, *, now: float) -> list[Session]:
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
        # Not the index as a whole: a login may have added to it in between.
        pipeline.zrem(index, *ids)
        *deleted, _ = pipeline.execute()
        return [(session_id, count == 1) for session_id, count in zip(ids, deleted, strict=True)]


def _run(call: Callable[[], T]) -> T:
    try:
        return call()
    except (RedisError, OSError) as error:
        raise StoreDownError(f"{type(error).__name__}: {error}") from error


def _session_key(session_id: str) -> str:
    return f"core-auth:session:{session_id}"


def _index_key(owner: str) -> str:
    # Hashed: an owner may be long, and a brace in it would choose its place in a cluster.
    return f"core-auth:owner:{hashlib.sha256(owner.encode()).hexdigest()[:32]}"


_KEPT = tuple(field.name for field in fields(Session) if field.name != "id")


def _dump(session: Session) -> str:
    return json.dumps({name: getattr(session, name) for name in _KEPT}, separators=(",", ":"))


def _load(session_id: str, text: bytes) -> Session:
    return Session(id=session_id, **json.loads(text))
