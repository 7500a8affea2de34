"""Adding up cells: the exact integers of a scope, in one snapshot of the store."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Sized
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Select, Table, and_, func, select
from sqlalchemy.sql import ColumnElement

from timestrata import schema
from timestrata.calendar import DateRange, day_number
from timestrata.dialects.functions import json_list
from timestrata.errors import InvalidRequest
from timestrata.keeping import Kept
from timestrata.measures import GREATEST, LEAST, Measure, Sums, Tally, added, removed
from timestrata.shares import Arithmetic, People, Shares

T = TypeVar("T")
Key = tuple[int, ...]
Keys = Mapping[str, ColumnElement[Any]]
"""What cells are added up by: expressions over their table by name. A name stands for one expression everywhere."""


class Scope(NamedTuple):
    """What a question is about; names, None for all."""

    dates: DateRange
    user_id: str | None = None
    ticket_type: str | None = None
    template: str | None = None


def within(cells: Table, scope: Scope, people: People | None = None) -> ColumnElement[bool]:
    """Return the condition of a scope on a table keyed by (user_id, day); of some people, by id, where it names none.

    Without a user the ids are spelled out as a list, so that a range of days is one stretch of the key a user
    instead of a scan of everything (SQLite has no other way, and needs no second index for it).
    """
    c, dates, user = cells.c, scope.dates, schema.user.c.user_id
    bounded = dates.first is not None or dates.last is not None
    conditions: list[ColumnElement[bool]] = []
    if scope.user_id is not None:
        conditions.append(c.user_id == id_of(schema.user, scope.user_id))
    elif people is not None:
        conditions.append(c.user_id.in_(select(user).where(user.between(people[0], people[-1]))))
    elif bounded:
        conditions.append(c.user_id.in_(select(user)))
    if dates.first is not None:
        conditions.append(c.day >= day_number(dates.first))
    if dates.last is not None:
        conditions.append(c.day <= day_number(dates.last))
    if scope.ticket_type is not None:
        conditions.append(c.ticket_type_id == id_of(schema.ticket_type, scope.ticket_type))
    if scope.template is not None:
        conditions.append(_of_template(cells, scope.template))
    return and_(True, *conditions)


def id_of(table: Table, name: str) -> Any:
    """Return the id of a name in a dimension table, as an expression."""
    return select(table.columns[0]).where(table.c.name == name).scalar_subquery()


def _of_template(cells: Table, name: str) -> ColumnElement[bool]:
    template, steps = id_of(schema.template, name), schema.step.c
    if "step_id" in cells.c:
        return cells.c.step_id.in_(select(steps.step_id).where(steps.template_id == template))
    of_template: ColumnElement[bool] = cells.c.template_id == template
    return of_template


class Snapshot:
    """One state of the store, in which everything that an answer tells is added up.

    `connection` is in a transaction that sees nothing of later ones. `kept` is what earlier snapshots of this store
    kept of their sums.
    """

    def __init__(self, connection: Connection, kept: Kept) -> None:
        self.connection = connection
        self._kept = kept

    def tallies(self, cells: Table, scope: Scope, keys: Keys, most: int | None = None) -> dict[Key, tuple[Tally, int]]:
        """Return (tally, distinct users) of a scope by the values of keys; without keys, one or none.

        Raises InvalidRequest when there are more than `most`.
        """

        def ask(people: People | None) -> _Tallies:
            return _tallies(self.connection, cells, within(cells, scope, people), keys, most)

        found = _limited(self._answer(("tallies", cells.name, scope, *keys), scope, ask, _TALLIES), most)
        return {key: (Tally(Measure._make(sums), counts), users) for key, (users, sums, counts) in found.items()}

    def sums(
        self, cells: Table, scope: Scope, keys: Keys, columns: Sequence[str], most: int | None = None
    ) -> dict[Key, Sums]:
        """Return the sums of columns of a scope by the values of keys; without keys, one or none.

        Raises InvalidRequest when there are more than `most`.
        """

        def ask(people: People | None) -> _Sums:
            return _sums(self.connection, cells, within(cells, scope, people), keys, columns, most)

        found = self._answer(("sums", cells.name, scope, *keys, *columns), scope, ask, _SUMS)
        return {key: sums[1:] for key, sums in _limited(found, most).items()}

    def days(self, table: Table, scope: Scope, wanted: Mapping[str, ColumnElement[bool]]) -> dict[int, int]:
        """Return how many rows of a scope there are by day; `wanted` are further conditions on them, by name."""

        def ask(people: People | None) -> _Sums:
            condition = and_(within(table, scope, people), *wanted.values())
            return _sums(self.connection, table, condition, {"day": table.c.day}, [], None)

        found = self._answer(("days", table.name, scope, *wanted), scope, ask, _SUMS)
        return {day: rows for (day,), (rows,) in found.items()}

    def users(self, cells: Table, scope: Scope) -> int:
        """Return how many people have a cell in a scope."""

        def ask(people: People | None) -> int:
            statement = select(func.count(cells.c.user_id.distinct())).where(within(cells, scope, people))
            return int(self.connection.execute(statement).scalar_one())

        return self._answer(("users", cells.name, scope), scope, ask, _COUNT)

    def _answer(
        self, question: Hashable, scope: Scope, ask: Callable[[People | None], T], arithmetic: Arithmetic[T]
    ) -> T:
        if scope.user_id is not None:
            return ask(None)
        return self._shares.answer(question, ask, arithmetic)

    @cached_property
    def _shares(self) -> Shares:
        c = schema.user_state.c
        rows = self.connection.execute(select(c.user_id, c.seq).order_by(c.user_id))
        changes = {row.user_id: row.seq for row in rows}
        return Shares(changes, changes.pop(schema.EVERYONE, 0), self._kept)


_Groups = TypeVar("_Groups", bound=Sized)


def _limited(groups: _Groups, most: int | None) -> _Groups:
    """Return groups. Raises InvalidRequest when there are more than `most`."""
    if most is not None and len(groups) > most:
        raise InvalidRequest("group", f"more than {most} groups", "fewer: a shorter range or a coarser group")
    return groups


# ------------------------------------------------------------------------------------------------- asking the database

_Tallied = tuple[int, Sums, dict[int, int]]
"""Distinct users, the integers of a measure, observations by duration bucket."""

_Tallies = dict[Key, _Tallied]


def _tallies(
    connection: Connection, cells: Table, condition: ColumnElement[bool], keys: Keys, most: int | None
) -> _Tallies:
    """Return what is made of cells by key.

    Two statements: sorting wide rows by (keys, bucket) in one takes longer. A histogram comes in one row, because the
    driver gives up the interpreter at each row, and threads that ask at the same time then wait for each other.
    """
    labelled, names = _labelled(keys)
    width, c = len(names), cells.c
    wide = select(*labelled, func.count(c.user_id.distinct()), *_merged(cells)).where(condition).group_by(*names)
    # Without keys a row comes even when there is nothing to add up: it has no users.
    rows = [row for row in _rows(connection, wide, most) if row[width]]
    if not rows:
        return {}
    observations = func.sum(c.observations).label("observations")
    narrow = select(*labelled, c.bucket, observations).where(condition).group_by(*names, c.bucket).subquery()
    keyed = [narrow.c[name] for name in names]
    listed = select(*keyed, json_list(narrow.c.bucket), json_list(narrow.c.observations)).group_by(*keyed)
    histograms = {
        tuple(key): dict(zip(buckets, counts, strict=True))
        for *key, buckets, counts in connection.execute(listed).fetchall()
    }
    return {
        key: (int(row[width]), _measure(row[width + 1 :]), histograms[key])
        for row, key in ((row, tuple(row[:width])) for row in rows)
    }


def _add_tallies(one: _Tallies, other: _Tallies) -> _Tallies:
    for key, theirs in other.items():
        mine = one.get(key)
        one[key] = theirs if mine is None else _with(mine, theirs)
    return one


def _with(one: _Tallied, other: _Tallied) -> _Tallied:
    counts, count_of = one[2], one[2].get
    for bucket, observations in other[2].items():
        counts[bucket] = count_of(bucket, 0) + observations
    return one[0] + other[0], added(one[1], other[1]), counts


def _swap_tallies(whole: _Tallies, old: _Tallies, new: _Tallies) -> _Tallies | None:
    done = {key: now for key, now in new.items() if now != old.get(key)}
    for key, was in old.items():
        now = new.get(key)
        if now == was:
            continue
        before = whole.pop(key)
        if before[0] > was[0]:  # others have some of it too
            if _may_narrow(before[1], was[1], None if now is None else now[1]):
                return None
            whole[key] = _without(before, was)
    return _add_tallies(whole, done)


def _may_narrow(whole: Sums, was: Sums, now: Sums | None) -> bool:
    """Tell whether the least or the greatest of a whole may go with a part that gives way to another."""
    least_goes = was[LEAST] == whole[LEAST] and (now is None or now[LEAST] > was[LEAST])
    greatest_goes = was[GREATEST] == whole[GREATEST] and (now is None or now[GREATEST] < was[GREATEST])
    return least_goes or greatest_goes


def _without(whole: _Tallied, part: _Tallied) -> _Tallied:
    counts = whole[2]
    for bucket, observations in part[2].items():
        counts[bucket] -= observations
        if not counts[bucket]:
            del counts[bucket]
    return whole[0] - part[0], removed(whole[1], part[1]), counts


_Sums = dict[Key, Sums]
"""By key: the number of cells, and the sums of columns over them."""


def _sums(
    connection: Connection,
    cells: Table,
    condition: ColumnElement[bool],
    keys: Keys,
    columns: Sequence[str],
    most: int | None,
) -> _Sums:
    labelled, names = _labelled(keys)
    wanted = [func.sum(cells.c[name]) for name in columns]
    statement = select(*labelled, func.count(), *wanted).where(condition).group_by(*names)
    width = len(names)
    rows = _rows(connection, statement, most)
    return {tuple(row[:width]): tuple(map(int, row[width:])) for row in rows if row[width]}


def _add_sums(one: _Sums, other: _Sums) -> _Sums:
    for key, theirs in other.items():
        mine = one.get(key)
        one[key] = theirs if mine is None else tuple(map(int.__add__, mine, theirs))
    return one


def _swap_sums(whole: _Sums, old: _Sums, new: _Sums) -> _Sums:
    done = {key: now for key, now in new.items() if now != old.get(key)}
    for key, was in old.items():
        if new.get(key) != was:
            rest = tuple(map(int.__sub__, whole.pop(key), was))
            if rest[0]:
                whole[key] = rest
    return _add_sums(whole, done)


_TALLIES = Arithmetic(_add_tallies, _swap_tallies)
_SUMS = Arithmetic(_add_sums, _swap_sums)
_COUNT: Arithmetic[int] = Arithmetic(int.__add__, lambda whole, old, new: whole - old + new)


def _rows(connection: Connection, statement: Select[Any], most: int | None) -> Sequence[Any]:
    rows = connection.execute(statement if most is None else statement.limit(most + 1)).fetchall()
    return _limited(rows, most)


def _labelled(keys: Keys) -> tuple[list[Any], list[str]]:
    """Return keys as columns, and their names, to group by.

    PostgreSQL takes an expression with parameters for another one each time it is written.
    """
    labelled = [key.label(f"key_{position}") for position, key in enumerate(keys.values())]
    return labelled, [label.name for label in labelled]


def _merged(cells: Table) -> list[ColumnElement[Any]]:
    """Return the merged columns of a cell table, in its order; the sum of squares in two halves.

    A sum of squares can pass 63 bits, on which SQLite fails: 92,000 observations of 10^7 seconds do.
    """
    choose: dict[schema.Merge, Any] = {"sum": func.sum, "min": func.min, "max": func.max}
    columns: list[ColumnElement[Any]] = []
    for column in cells.columns:
        if column.name == "active_squared":
            columns += [func.sum(column // 2**32), func.sum(column % 2**32)]
        elif "merge" in column.info:
            columns.append(choose[column.info["merge"]](column))
    return columns


def _measure(sums: Iterable[Any]) -> tuple[int, ...]:
    """Return the integers of a Measure from a row of _merged(): exact, whatever type the database gave a sum."""
    n, active, high, low, *rest = map(int, sums)
    return (n, active, (high << 32) + low, *rest)
