"""The table of sessions in SQLite and PostgreSQL, and its statements.

Each statement is made once, and is atomic: of two that change the same row, the second sees the change of
the first. In PostgreSQL, READ COMMITTED evaluates the WHERE again after it has the row's lock.

No statement has a RETURNING: with it, SQLite keeps its lock until Python has fetched the row, and Python
lets other threads run first. No statement writes unchanged values: otherwise 32 concurrent refreshes of one
session are 32 writes to the disk, one after the other. Both made some calls exceed their time limit.
"""

from __future__ import annotations

import typing as t

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Double,
    Index,
    MetaData,
    String,
    Table,
    Text,
    and_,
    bindparam,
    case,
    delete,
    event,
    func,
    insert,
    or_,
    select,
    update,
)

from .store import MAX_ENDED, MAX_LISTED, Session

#: Maximum number of expired sessions that one login removes.
SWEEP_SIZE = 100
#: Maximum number of sessions that one statement ends.
BATCH_SIZE = 500

metadata = MetaData()
sessions = Table(
    "core_auth_sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("jti", String(64), nullable=False),
    Column("previous_jti", String(64)),
    Column("rotated_at", Double),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("address", Text),
    Column("user_agent", Text),
    # PostgreSQL's B-tree rejects an owner of more than 2.7 kB; its hash index accepts any length.
    Index("core_auth_sessions_owner", "owner", postgresql_using="hash"),
    Index("core_auth_sessions_expires_at", "expires_at"),
    # One tree finds a row by its ID, not two: a look-up in a million rows costs little more than in a few.
    sqlite_with_rowid=False,
)
# Free space in each page for the next version of a row, so that a refresh updates only the indexes of
# changed columns. (SQLAlchemy has an argument of the table for this from 2.1 on.)
_fillfactor = DDL("ALTER TABLE %(table)s SET (fillfactor = 80)")  # type: ignore[no-untyped-call]
event.listen(sessions, "after_create", _fillfactor.execute_if(dialect="postgresql"))

_columns = sessions.c
_owned = _columns.owner == bindparam("owned_by")
_session = and_(_columns.id == bindparam("session"), _owned)
_now: t.Any = bindparam("now", type_=Double)
_second: t.Any = bindparam("second", type_=BigInteger)
_presented: t.Any = bindparam("presented", type_=String)
_successor: t.Any = bindparam("successor", type_=String)
_grace_began: t.Any = bindparam("grace_began", type_=Double)
_oldest: t.Any = _columns.created_at + bindparam("max_age", type_=BigInteger)
_successor_expires: t.Any = bindparam("successor_expires", type_=BigInteger)

# Whole seconds, like the column: PostgreSQL uses no index for a comparison with a fraction.
_is_live = _columns.expires_at > _second
# The current setting also applies to sessions that were opened under another.
_is_young = _columns.created_at > bindparam("youngest", type_=BigInteger)
_is_admitted = and_(
    _session,
    _is_live,
    _is_young,
    or_(
        _columns.jti == _presented,
        # The token that this very call has rotated, even with a grace of 0. NULL without rotation.
        _columns.jti == _successor,
        and_(_columns.previous_jti == _presented, _columns.rotated_at > _grace_began),
    ),
)
_every_column = [_columns[name] for name in Session.__slots__]

# At a login

#: Two logins that remove the same rows would wait for each other in PostgreSQL.
SWEEP = delete(sessions).where(
    _columns.id.in_(
        select(_columns.id)
        .where(_columns.expires_at <= _second)
        .order_by(_columns.expires_at)
        .limit(SWEEP_SIZE)
        .with_for_update(skip_locked=True)
    )
)
OPEN = insert(sessions)
#: SQLite reads only the index for it.
COUNT_BY_OWNER = select(func.count()).select_from(sessions).where(_owned)
_last_used_first = func.row_number().over(
    order_by=(
        case((_is_live, 0), else_=1),
        _columns.last_used_at.desc(),
        _columns.created_at.desc(),
        _columns.id.desc(),
    )
)
_ranked = (
    select(_columns.id, _columns.last_used_at, _columns.expires_at, _last_used_first.label("rank"))
    .where(_owned)
    .subquery()
)
#: Expired sessions first. One statement ranks and selects: between two, another login may end sessions.
UNUSED_LONGEST = (
    select(_ranked.c.id, _ranked.c.last_used_at, _ranked.c.expires_at)
    .where(_ranked.c.rank > bindparam("keep", type_=BigInteger))
    .order_by(_ranked.c.rank.desc())
    .limit(MAX_ENDED)
)
_is_still_unused = and_(
    _columns.id == bindparam("unused"),
    _owned,
    _columns.last_used_at == bindparam("unused_since", type_=BigInteger),
)
#: Ends one session and opens another: one write to the disk, and both or neither.
REPLACE = (
    update(sessions)
    .where(_is_still_unused)
    .values({name: bindparam(f"new_{name}") for name in Session.__slots__})
)
END_UNUSED = delete(sessions).where(_is_still_unused)

# At a refresh

RECORD_USE = (
    update(sessions).where(_is_admitted, _columns.last_used_at < _second).values(last_used_at=_second)
)
ROTATE = (
    update(sessions)
    .where(
        _is_admitted,
        _columns.jti == _presented,
        or_(_columns.rotated_at.is_(None), _columns.rotated_at <= _grace_began),
    )
    .values(
        jti=_successor,
        previous_jti=_columns.jti,
        rotated_at=_now,
        last_used_at=_second,
        expires_at=case((_oldest < _successor_expires, _oldest), else_=_successor_expires),
    )
)
ADMITTED = select(_columns.jti, _columns.expires_at).where(_is_admitted)
END_REUSED = delete(sessions).where(
    _session,
    _is_live,
    _columns.jti != _presented,
    or_(
        _columns.previous_jti.is_(None),
        _columns.previous_jti != _presented,
        _columns.rotated_at <= _grace_began,
    ),
)

# At any time

#: The owner is compared in Python: a value more to bind would cost the protected request 3 %.
OWNER_OF_LIVE = select(_columns.owner).where(_columns.id == bindparam("session"), _is_live, _is_young)
FIND = select(*_every_column).where(_session, _is_live, _is_young)
LIST_BY_OWNER = (
    select(*_every_column)
    .where(_owned, _is_live)
    .order_by(_columns.last_used_at.desc(), _columns.created_at.desc(), _columns.id)
    .limit(MAX_LISTED)
)
END = delete(sessions).where(_session)
BATCH = select(_columns.id).where(_owned).order_by(_columns.id).limit(BATCH_SIZE)
END_BATCH = delete(sessions).where(_columns.id.in_(bindparam("batch", expanding=True)))
