"""Adding up cells: the exact integers of a scope, in one snapshot of the store."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence, Sized
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import BindParameter, Connection, ScalarSelect, Select, Table, and_, bindparam, func, select
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


class _Shape(NamedTuple):
    """Which conditions a scope makes. What it asks for by name or day is a parameter, see values_of()."""

    one: bool
    some: bool
    first: bool
    last: bool
    ticket_type: bool
    template: bool


def _shape(scope: Scope, people: People | None) -> _Shape:
    dates = scope.dates
    given = (dates.first, dates.last, scope.ticket_type, scope.template)
    one = scope.user_id is not None
    return _Shape(one, people is not None and not one, *(each is not None for each in given))


def values_of(scope: Scope, people: People | None = None) -> dict[str, Any]:
    """Return the parameters of within() for a scope."""
    dates = scope.dates
    return {
        "scope_user": scope.user_id,
        "scope_from": None if people is None else people[0],
        "scope_through": None if people is None else people[-1],
        "scope_first": None if dates.first is None else day_number(dates.first),
        "scope_last": None if dates.last is None else day_number(dates.last),
        "scope_ticket_type": scope.ticket_type,
        "scope_template": scope.template,
    }


def within(cells: Table, scope: Scope, people: People | None = None) -> ColumnElement[bool]:
    """Return the condition of a scope on a table keyed by (user_id, day); of some people, by id, where it names none.

    Its statement is executed with values_of() the scope.
    """
    return _within(cells, _shape(scope, people))


@lru_cache(maxsize=512)
def _within(cells: Table, shape: _Shape) -> ColumnElement[bool]:
    """Return the condition that scopes of a shape make.

    Without a user the ids are spelled out as a list, so that a range of days is one stretch of the key a user
    instead of a scan of everything (SQLite has no other way, and needs no second index for it).
    """
    c, user = cells.c, schema.user.c.user_id
    conditions: list[ColumnElement[bool]] = []
    if shape.one:
        conditions.append(c.user_id == id_of(schema.user, "scope_user"))
    elif shape.some:
        some = user.between(_number("scope_from"), _number("scope_through"))
        conditions.append(c.user_id.in_(select(user).where(some)))
    elif shape.first or shape.last:
        conditions.append(c.user_id.in_(select(user)))
    if shape.first:
        conditions.append(c.day >= _number("scope_first"))
    if shape.last:
        conditions.append(c.day <= _number("scope_last"))
    if shape.ticket_type:
        conditions.append(c.ticket_type_id == id_of(schema.ticket_type, "scope_ticket_type"))
    if shape.template:
        conditions.append(_of_template(cells))
    return and_(True, *conditions)


def _number(name: str) -> BindParameter[int]:
    return bindparam(name, type_=schema.user.c.user_id.type)


def id_of(table: Table, name: str) -> ScalarSelect[Any]:
    """Return the id of a name in a dimension table, as an expression with a parameter for the name."""
    return select(table.columns[0]).where(table.c.name == bindparam(name, type_=table.c.name.type)).scalar_subquery()


def _of_template(cells: Table) -> ColumnElement[bool]:
    template, steps = id_of(schema.template, "scope_template"), schema.step.c
    if "step_id" in cells.c:
        return cells.c.step_id.in_(select(steps.step_id).where(steps.template_id == template))
    of_template: ColumnElement[bool] = cells.c.template_id == template
    return of_template


_statements: dict[Hashable, Any] = {}


def _prepared(key: Hashable, make: Callable[[], T]) -> T:
    """Return what `make` makes, made once: to put a statement together takes as long as many of them run.

    `key` names all that it depends on. There are as many as there are kinds of questions.
    """
    if key not in _statements:
        _statements[key] = make()
    made: T = _statements[key]
    return made


_CHANGES = select(schema.user_state.c.user_id, schema.user_state.c.seq).order_by(schema.user_state.c.user_id)


class Snapshot:
    """One state of the store, in which everything that an answer tells is added up.

    `connection` is in a transaction that sees nothing of later ones. `kept` is what earlier snapshots of this store
    kept of their sums.
    """

    def __init__(self, connection: Connection, kept: Kept) -> None:
        self.connection = connection
        self._kept = kept

    def tallies(self, cells: Table, scope: Scope, keys: Keys, most: int | None = None) -> Tallies:
        """Return (tally, distinct users) of a scope by the values of keys; without keys, one or none.

        Raises InvalidRequest when there are more than `most`.
        """

        def ask(people: People | None) -> _Tallies:
            question = ("tallies", cells.name, _shape(scope, people), *keys, most)
            wide, narrow = _prepared(question, lambda: _of_tallies(cells, within(cells, scope, people), keys, most))
            return _tallies(self.connection, (wide, narrow), values_of(scope, people), len(keys), most)

        return Tallies(_limited(self._answer(("tallies", cells.name, scope, *keys), scope, ask, _TALLIES), most))

    def sums(
        self, cells: Table, scope: Scope, keys: Keys, columns: Sequence[str], most: int | None = None
    ) -> dict[Key, Sums]:
        """Return the sums of columns of a scope by the values of keys; without keys, one or none.

        Raises InvalidRequest when there are more than `most`.
        """

        def ask(people: People | None) -> _Sums:
            question = ("sums", cells.name, _shape(scope, people), *keys, *columns, most)
            asked = _prepared(question, lambda: _of_sums(cells, within(cells, scope, people), keys, columns, most))
            return _sums(self.connection, asked, values_of(scope, people), len(keys), most)

        found = self._answer(("sums", cells.name, scope, *keys, *columns), scope, ask, _SUMS)
        return {key: sums[1:] for key, sums in _limited(found, most).items()}

    def rows(self, table: Table, scope: Scope, keys: Keys, wanted: Mapping[str, ColumnElement[bool]]) -> dict[Key, int]:
        """Return how many rows of a scope there are by keys; `wanted` are further conditions on them, by name."""

        def ask(people: People | None) -> _Sums:
            question = ("rows", table.name, _shape(scope, people), *keys, *wanted)
            condition = and_(within(table, scope, people), *wanted.values())
            asked = _prepared(question, lambda: _of_sums(table, condition, keys, [], None))
            return _sums(self.connection, asked, values_of(scope, people), len(keys), None)

        found = self._answer(("rows", table.name, scope, *keys, *wanted), scope, ask, _SUMS)
        return {key: rows for key, (rows,) in found.items()}

    def users(self, cells: Table, scope: Scope) -> int:
        """Return how many people have a cell in a scope."""

        def ask(people: People | None) -> int:
            counted = select(func.count(cells.c.user_id.distinct()))
            question = ("users", cells.name, _shape(scope, people))
            statement = _prepared(question, lambda: counted.where(within(cells, scope, people)))
            return int(self.connection.execute(statement, values_of(scope, people)).scalar_one())

        return self._answer(("users", cells.name, scope), scope, ask, _COUNT)

    def _answer(
        self, question: Hashable, scope: Scope, ask: Callable[[People | None], T], arithmetic: Arithmetic[T]
    ) -> T:
        if scope.user_id is not None:
            return ask(None)
        return self._shares.answer(question, ask, arithmetic)

    @cached_property
    def _shares(self) -> Shares:
        # Fetched at once: row by row it takes three times as long, and every question about everyone begins with it.
        changes = dict(self.connection.execute(_CHANGES).all())
        return Shares(changes, changes.pop(schema.EVERYONE, 0), self._kept)


class Tallies(Mapping[Key, tuple[Tally, int]]):
    """(tally, distinct users) by key. What is not asked for is not read: of five hundred people a page shows ten."""

    def __init__(self, tallied: _Tallies) -> None:
        self._tallied = tallied

    def __getitem__(self, key: Key) -> tuple[Tally, int]:
        users, sums, counts = self._tallied[key]
        return Tally(Measure._make(sums), pickle.loads(counts)), users

    def active_seconds(self, key: Key) -> int:
        """Return the active seconds of a tally, without reading its histogram."""
        return Measure._make(self._tallied[key][1]).active_seconds

    def __iter__(self) -> Iterator[Key]:
        return iter(self._tallied)

    def __len__(self) -> int:
        return len(self._tallied)


_Groups = TypeVar("_Groups", bound=Sized)


def _limited(groups: _Groups, most: int | None) -> _Groups:
    """Return groups. Raises InvalidRequest when there are more than `most`."""
    if most is not None and len(groups) > most:
        raise InvalidRequest("group", f"more than {most} groups", "fewer: a shorter range or a coarser group")
    return groups


# ------------------------------------------------------------------------------------------------- asking the database

_Tallied = tuple[int, Sums, bytes]
"""Distinct users, the integers of a measure, observations by duration bucket as they are kept: pickled.

Of all that is kept most are histograms, and of those of everyone few change with a person's.
"""

_Tallies = dict[Key, _Tallied]


def _of_tallies(
    cells: Table, condition: ColumnElement[bool], keys: Keys, most: int | None
) -> tuple[Select[Any], Select[Any]]:
    """Return the statements of _tallies().

    Two: sorting wide rows by (keys, bucket) in one takes longer. A histogram comes in one row, because the driver gives
    up the interpreter at each row, and threads that ask at the same time then wait for each other.
    """
    labelled, names = _labelled(keys)
    c = cells.c
    wide = select(*labelled, func.count(c.user_id.distinct()), *_merged(cells)).where(condition).group_by(*names)
    observations = func.sum(c.observations).label("observations")
    narrow = select(*labelled, c.bucket, observations).where(condition).group_by(*names, c.bucket).subquery()
    keyed = [narrow.c[name] for name in names]
    listed = select(*keyed, json_list(narrow.c.bucket), json_list(narrow.c.observations)).group_by(*keyed)
    return _at_most(wide, most), listed


def _tallies(
    connection: Connection,
    asked: tuple[Select[Any], Select[Any]],
    values: Mapping[str, Any],
    width: int,
    most: int | None,
) -> _Tallies:
    """Return what is made of cells by a key of some width."""
    wide, narrow = asked
    # Without keys a row comes even when there is nothing to add up: it has no users.
    rows = [row for row in _limited(connection.execute(wide, values).fetchall(), most) if row[width]]
    if not rows:
        return {}
    histograms = {
        tuple(key): _packed(dict(zip(buckets, counts, strict=True)))
        for *key, buckets, counts in connection.execute(narrow, values).fetchall()
    }
    return {
        key: (int(row[width]), _measure(row[width + 1 :]), histograms[key])
        for row, key in ((row, tuple(row[:width])) for row in rows)
    }


def _packed(counts: dict[int, int]) -> bytes:
    return pickle.dumps(counts, pickle.HIGHEST_PROTOCOL)


def _add_tallies(one: _Tallies, other: _Tallies) -> _Tallies:
    for key, theirs in other.items():
        mine = one.get(key)
        one[key] = theirs if mine is None else _with(mine, theirs)
    return one


def _with(one: _Tallied, other: _Tallied) -> _Tallied:
    counts: dict[int, int] = pickle.loads(one[2])
    for bucket, observations in pickle.loads(other[2]).items():
        counts[bucket] = counts.get(bucket, 0) + observations
    return one[0] + other[0], added(one[1], other[1]), _packed(counts)


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
    counts: dict[int, int] = pickle.loads(whole[2])
    for bucket, observations in pickle.loads(part[2]).items():
        counts[bucket] -= observations
        if not counts[bucket]:
            del counts[bucket]
    return whole[0] - part[0], removed(whole[1], part[1]), _packed(counts)


_Sums = dict[Key, Sums]
"""By key: the number of cells, and the sums of columns over them."""


def _of_sums(
    cells: Table, condition: ColumnElement[bool], keys: Keys, columns: Sequence[str], most: int | None
) -> Select[Any]:
    labelled, names = _labelled(keys)
    wanted = [func.sum(cells.c[name]) for name in columns]
    return _at_most(select(*labelled, func.count(), *wanted).where(condition).group_by(*names), most)


def _sums(connection: Connection, asked: Select[Any], values: Mapping[str, Any], width: int, most: int | None) -> _Sums:
    rows = _limited(connection.execute(asked, values).fetchall(), most)
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


def _at_most(statement: Select[Any], most: int | None) -> Select[Any]:
    return statement if most is None else statement.limit(most + 1)


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
