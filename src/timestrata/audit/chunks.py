"""In what portions a store is looked at: a few users, then spans of their days that fit into memory.

The spans of a user lie side by side from the first day to the last that a calendar has, so that no row escapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import Connection, Select, Table, bindparam, func, select

from timestrata import schema
from timestrata.audit.findings import FIRST_DAY, LAST_DAY
from timestrata.stored import Span

SPAN_COMPLETIONS = 1000
"""How many completions are looked at in one snapshot; one user's day is never split."""
PAGE_USERS = 25

DAILY = tuple(table for table in schema.metadata.sorted_tables if {"user_id", "day"} <= set(table.c.keys()))
"""The tables with rows of a user and day."""


class Ledger(NamedTuple):
    """How many completions of a user's day there are, by the receipts, in the tables, and in the archive."""

    user_id: int
    day: int
    recorded: int
    hot: int
    purged: int


def user_page(connection: Connection, after: int, wanted: Sequence[int] | None) -> list[int]:
    """Return the next users after an id, of all or of some, in order; none at the end."""
    if wanted is not None:
        return sorted(user_id for user_id in wanted if user_id > after)[:PAGE_USERS]
    c = schema.user.c
    rows = connection.execute(select(c.user_id).where(c.user_id > after).order_by(c.user_id).limit(PAGE_USERS))
    return list(rows.scalars())


def user_count(connection: Connection) -> int:
    """Return how many users there are."""
    return int(connection.execute(select(func.count()).select_from(schema.user)).scalar_one())


def ledger(connection: Connection, users: Sequence[int], days: tuple[int, int]) -> list[Ledger]:
    """Return the counts of some users' days that have any, in order."""
    receipt, done, part = schema.receipt.c, schema.completion.c, schema.archive_part.c
    recorded, hot, purged = (
        {(user_id, day): int(count) for user_id, day, count in connection.execute(rows).fetchall()}
        for rows in (
            select(receipt.user_id, receipt.day, func.count())
            .where(receipt.user_id.in_(users), receipt.state == schema.RECORDED, receipt.day.between(*days))
            .group_by(receipt.user_id, receipt.day),
            select(done.user_id, done.day, func.count())
            .where(done.user_id.in_(users), done.day.between(*days))
            .group_by(done.user_id, done.day),
            select(part.user_id, part.day, func.sum(part.completions))
            .where(part.user_id.in_(users), part.day.between(*days), part.state == schema.PURGED)
            .group_by(part.user_id, part.day),
        )
    )
    return [
        Ledger(*unit, recorded.get(unit, 0), hot.get(unit, 0), purged.get(unit, 0))
        for unit in sorted({*recorded, *hot, *purged})
    ]


def spans(users: Sequence[int], entries: Sequence[Ledger], days: tuple[int, int]) -> Iterator[Span]:
    """Yield spans of SPAN_COMPLETIONS or less: several users over all days, or some days of one user."""
    by_user = {
        user_id: [(one.day, max(one.recorded, one.hot + one.purged)) for one in group]
        for user_id, group in groupby(entries, key=lambda one: one.user_id)
    }
    together: list[int] = []
    held = 0
    for user_id in users:
        counts = by_user.get(user_id, [])
        total = sum(count for _, count in counts)
        if total > SPAN_COMPLETIONS:
            yield from _stretches(user_id, counts, days)
            continue
        if held + total > SPAN_COMPLETIONS:
            yield Span(tuple(together), *days)
            together, held = [], 0
        together.append(user_id)
        held += total
    if together:
        yield Span(tuple(together), *days)


def _stretches(user_id: int, counts: Sequence[tuple[int, int]], days: tuple[int, int]) -> Iterator[Span]:
    start, held = days[0], 0
    for day, count in counts:
        if held and held + count > SPAN_COMPLETIONS:
            yield Span((user_id,), start, day - 1)
            start, held = day, 0
        held += count
    yield Span((user_id,), start, days[1])


# ------------------------------------------------------------------------------------------- what no span comes across


class _Search(NamedTuple):
    """The statements that look for unknown users in a table. Made once: there are many tables, and often no user."""

    table: Table
    first: Select[int]
    following: Select[int]
    """The next user id after each that a user has, where no user has it."""
    known: Select[int]
    """:user_id, where a user has it."""
    after: Select[int]
    """The next user id after :user_id."""


@cache
def _searches() -> list[_Search]:
    known = schema.user.c.user_id
    found = []
    for table in schema.metadata.sorted_tables:
        if "user_id" not in table.c or table is schema.user:
            continue
        own = table.c.user_id
        each = select(func.min(own)).where(own > known).correlate(schema.user).scalar_subquery()
        following = select(each.label("user_id")).select_from(schema.user).subquery().c.user_id
        given = bindparam("user_id", type_=known.type)
        found.append(
            _Search(
                table,
                select(func.min(own)),
                select(following).where(following.not_in(select(known))).distinct(),
                select(known).where(known == given),
                select(func.min(own)).where(own > given),
            )
        )
    return found


def unknown_users(connection: Connection) -> Iterator[tuple[Table, int]]:
    """Yield each table that has rows of a user id that nobody has, with that id. A search of the key for each user."""
    for search in _searches():
        first = connection.execute(search.first).scalar()
        rows = connection.execute(search.following)
        for start in sorted({*rows.scalars(), *([] if first is None else [first])}):
            yield from ((search.table, user_id) for user_id in _unknown_from(connection, search, start))


def _unknown_from(connection: Connection, search: _Search, user_id: int | None) -> Iterator[int]:
    """Yield a user id of a table, and those that follow, up to the first that a user has."""
    while user_id is not None:
        if connection.execute(search.known, {"user_id": user_id}).scalar() is not None:
            return
        if not (search.table is schema.user_state and user_id == schema.EVERYONE):
            yield user_id
        user_id = connection.execute(search.after, {"user_id": user_id}).scalar()


def impossible_days(connection: Connection, users: Sequence[int]) -> Iterator[tuple[Table, int, int]]:
    """Yield (table, user id, day) of rows whose day no calendar has."""
    for table in DAILY:
        c = table.c
        for outside in (c.day < FIRST_DAY, c.day > LAST_DAY):
            rows = connection.execute(select(c.user_id, c.day).where(c.user_id.in_(users), outside).distinct())
            yield from ((table, user_id, day) for user_id, day in rows)
