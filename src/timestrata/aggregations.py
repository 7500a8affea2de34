"""Figures by group and sub-group: people, ticket types, templates, steps, days, weeks, months.

Cells are added up by the database, into weeks and months too; nothing is read one cell at a time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Table, literal_column, select
from sqlalchemy.sql import ColumnElement

from timestrata import schema
from timestrata.answers import GROUPS, Aggregation, AggregationReport, Figures, GroupBy
from timestrata.calendar import BUCKETS, Bucket, DateRange, day_date, next_bucket
from timestrata.errors import InvalidRequest
from timestrata.measures import Sums, Tally
from timestrata.reports import Group, active_of, coverage, figures, names_of
from timestrata.series import is_partial, starts_of
from timestrata.sums import Key, Keys, Scope, Snapshot, Tallies

MOST_GROUPS = 10_000
"""Groups of an answer, and sub-groups: each is about 600 bytes of JSON."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """How a scope is divided.

    `fill_gaps` adds the days, weeks or months in which there was nothing. `limit` is how many of the first groups are
    answered, None for all.
    """

    group: GroupBy
    sub_group: GroupBy | None = None
    template: str | None = None
    fill_gaps: bool = False
    limit: int | None = None

    def check(self, scope: Scope) -> None:
        """Raise InvalidRequest for what is no group, comes twice or is not kept, and for an impossible limit."""
        check_limit(self.limit)
        for argument, found in (("group", self.group), ("sub_group", self.sub_group)):
            if found not in GROUPS and (found is not None or argument == "group"):
                raise InvalidRequest(argument, found, f"one of {', '.join(GROUPS)}")
        both = (self.group, self.sub_group)
        if self.group == self.sub_group:
            raise InvalidRequest("sub_group", self.sub_group, "another one than the group")
        if "step" in both and "ticket_type" in both:
            raise InvalidRequest("sub_group", self.sub_group, "no steps with ticket types: steps are kept by template")
        if "step" in both and scope.ticket_type is not None:
            raise InvalidRequest("ticket_type", scope.ticket_type, "none with steps, which are kept by template")


def check_limit(limit: int | None) -> None:
    """Raise InvalidRequest for a limit that is no count of groups."""
    if limit is not None and not (type(limit) is int and 1 <= limit <= MOST_GROUPS):
        raise InvalidRequest("limit", limit, f"a whole number from 1 to {MOST_GROUPS}, or None for all")


class _Label(NamedTuple):
    """What a group is called, and its place among the others."""

    place: tuple[Any, ...]
    name: str
    template: str | None = None
    step_index: int | None = None
    bucket: date | None = None


_Groups = dict[_Label, Group]
T = TypeVar("T")
_NOTHING = Group(Tally(), 0, 0)


def aggregations(snapshot: Snapshot, scope: Scope, grouping: Grouping, today: date) -> AggregationReport:
    """Return the figures of a scope by group. Raises InvalidRequest, also for more than 10,000 groups."""
    grouping.check(scope)
    group, sub_group = grouping.group, grouping.sub_group
    connection, within = snapshot.connection, scope._replace(template=grouping.template)
    total = _summed(snapshot, within).get((), _NOTHING)
    label = _labels(connection, group)
    summed = _summed(snapshot, within, group)
    keys: dict[_Label, Key | None] = {label(key[0]): key for key in summed}
    subs: dict[_Label, _Groups] = {each: {} for each in keys}
    if sub_group is not None:
        sub_label = _labels(connection, sub_group)
        for (number, sub), one in _summed(snapshot, within, group, sub_group).items():
            subs[label(number)][sub_label(sub)] = one
    if grouping.fill_gaps:
        keys = _filled(keys, group, scope.dates)
        if sub_group is not None:
            subs = _sub_filled({each: subs.get(each, {}) for each in keys}, (group, sub_group), scope.dates)
    first = _first(keys, grouping.limit)
    groups = {each: _NOTHING if key is None else summed[key] for each, key in first.items()}
    return AggregationReport(
        dates=scope.dates,
        group=group,
        sub_group=sub_group,
        user_id=scope.user_id,
        ticket_type=scope.ticket_type,
        template=grouping.template,
        total=Figures(**figures(total)),
        groups=_in_order(groups, group, scope.dates, today, subs, sub_group),
        count=len(keys),
        coverage=coverage(connection, scope.user_id),
    )


# ------------------------------------------------------------------------------------------------------ from the cells


class _Summed(Mapping[Key, Group]):
    """What was done and worked by the numbers of groups. Only what is asked for is put together."""

    def __init__(self, done: Tallies, worked: Mapping[Key, Sums]) -> None:
        self._done = done
        self._worked = worked
        self._keys = done.keys() | worked.keys()

    def __getitem__(self, key: Key) -> Group:
        if key not in self._keys:
            raise KeyError(key)
        return Group(*self._done.get(key, (Tally(), 0)), *self._worked.get(key, (0,)))

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _summed(snapshot: Snapshot, scope: Scope, *groups: GroupBy) -> Mapping[Key, Group]:
    """Return everything that was done or worked in a scope by the numbers of groups; steps from their own cells."""
    if "step" in groups:
        return _summed_steps(snapshot, scope, groups)
    done, work = schema.cell_completion, schema.cell_worked
    found = snapshot.tallies(done, scope, _keys(done, groups), MOST_GROUPS)
    worked = snapshot.sums(work, scope, _keys(work, groups), ["worked_seconds"], MOST_GROUPS)
    return _Summed(found, worked)


def _summed_steps(snapshot: Snapshot, scope: Scope, groups: tuple[GroupBy, ...]) -> dict[Key, Group]:
    """Return what was done in steps. A step has one template, so the database is not asked to group by both."""
    cells = schema.cell_step
    asked = [group for group in groups if group != "template"]
    found = snapshot.tallies(cells, scope, _keys(cells, asked), MOST_GROUPS)
    step = schema.step.c
    templates = dict(snapshot.connection.execute(select(step.step_id, step.template_id)).all())
    summed = {}
    for key, (tally, users) in found.items():
        numbers: dict[GroupBy, int] = dict(zip(asked, key, strict=True))
        numbers["template"] = templates[numbers["step"]]
        summed[tuple(numbers[group] for group in groups)] = Group(tally, users, active_of(tally))
    return summed


def _keys(cells: Table, groups: Iterable[GroupBy]) -> Keys:
    return {group: _key(cells, group) for group in groups}


def _key(cells: Table, group: GroupBy) -> ColumnElement[Any]:
    """Return the number that a cell is grouped by: an id, a day, the Monday of a week, a month counted from year 0."""
    c = cells.c
    if group == "week":
        return c.day - (c.day + _number(3 + 7 * 200_000)) % _number(7)
    if group == "month":
        return _month(c.day)
    column: ColumnElement[Any] = c.day if group == "day" else c[f"{group}_id"]
    return column


def _number(value: int) -> ColumnElement[int]:
    return literal_column(str(value), schema.cell_step.c.day.type)


def _month(day: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return 12 * year + month - 1 of a day number, in integers that both databases divide alike (none is negative).

    Source: C. Neri and L. Schneider, "Euclidean affine functions and their application to calendar algorithms" (2022).
    """
    n = _number
    quarter_days = n(4) * (day + n(719_468)) + n(3)  # from 0000-03-01
    century = quarter_days // n(146_097)
    of_century = quarter_days % n(146_097) // n(4) * n(4) + n(3)
    year, of_year = of_century // n(1461), of_century % n(1461) // n(4)
    month = (n(2141) * of_year + n(197_913)) // n(65_536)  # 3 is March, 14 February
    return (n(100) * century + year) * n(12) + month - n(1)


# ----------------------------------------------------------------------------------------------------- names and order


def _labels(connection: Connection, group: GroupBy) -> Callable[[int], _Label]:
    """Return a function from the number of a group to its label."""
    if group == "step":
        return _step_labels(connection).__getitem__
    if group == "month":
        return lambda number: _bucket_label(date(number // 12, number % 12 + 1, 1))
    if group in ("day", "week"):
        return lambda number: _bucket_label(day_date(number))
    tables = {"user": schema.user, "ticket_type": schema.ticket_type, "template": schema.template}
    names = names_of(connection, tables[group])
    return lambda number: _Label((names[number],), names[number])


def _bucket_label(start: date) -> _Label:
    return _Label((start,), start.isoformat(), bucket=start)


def _step_labels(connection: Connection) -> dict[int, _Label]:
    step, template = schema.step.c, schema.template.c
    rows = connection.execute(
        select(step.step_id, template.name, step.step_index, step.name).join(
            schema.template, template.template_id == step.template_id
        )
    )
    return {number: _Label((of, index, name), name, of, index) for number, of, index, name in rows}


def _first(groups: dict[_Label, T], limit: int | None) -> dict[_Label, T]:
    """Return the first groups of as many; to find the percentiles of one takes 20 µs."""
    if limit is None or limit >= len(groups):
        return groups
    return {label: groups[label] for label in heapq.nsmallest(limit, groups, key=lambda label: label.place)}


def _in_order(
    groups: _Groups,
    kind: GroupBy,
    dates: DateRange,
    today: date,
    subs: Mapping[_Label, _Groups],
    sub_kind: GroupBy | None = None,
) -> tuple[Aggregation, ...]:
    """Return groups as they are answered, in the order of their labels, with their sub-groups."""
    found = []
    for label in sorted(groups, key=lambda label: label.place):
        bucket = _bucket(kind)
        inside = _clipped(dates, label, bucket)
        found.append(
            Aggregation(
                **figures(groups[label]),
                name=label.name,
                template=label.template,
                step_index=label.step_index,
                bucket=label.bucket,
                partial=bool(bucket and label.bucket and is_partial(label.bucket, bucket, dates, today)),
                sub_groups=_in_order(subs.get(label, {}), sub_kind, inside, today, {}) if sub_kind else (),
            )
        )
    return tuple(found)


# -------------------------------------------------------------------------------------------------------------- gaps


def _bucket(kind: GroupBy | None) -> Bucket | None:
    return next((bucket for bucket in BUCKETS if bucket == kind), None)


def _clipped(dates: DateRange, label: _Label, bucket: Bucket | None) -> DateRange:
    """Return the days of a range that are in a group."""
    if bucket is None or label.bucket is None:
        return dates
    last = next_bucket(label.bucket, bucket) - timedelta(days=1)
    return DateRange(max(dates.first or date.min, label.bucket), min(dates.last or date.max, last))


def _filled(groups: dict[_Label, Key | None], kind: GroupBy, dates: DateRange) -> dict[_Label, Key | None]:
    """Return the keys of groups with those of a time without anything among them: None."""
    bucket = _bucket(kind)
    if bucket is None:
        return groups
    starts = starts_of(dates, bucket, [label.bucket for label in groups if label.bucket])
    return {_bucket_label(start): None for start in starts} | groups


def _sub_filled(subs: dict[_Label, _Groups], kinds: tuple[GroupBy, GroupBy], dates: DateRange) -> dict[_Label, _Groups]:
    """Return the sub-groups of each group with those of a time without anything among them."""
    outer, bucket = map(_bucket, kinds)
    if bucket is None:
        return subs
    starts = starts_of(dates, bucket, [label.bucket for groups in subs.values() for label in groups if label.bucket])
    if not starts:
        return subs
    whole = DateRange(dates.first or starts[0], dates.last or next_bucket(starts[-1], bucket) - timedelta(days=1))
    filled: dict[_Label, _Groups] = {}
    count = 0
    for label, groups in subs.items():
        inside = _clipped(whole, label, outer)
        inner = starts_of(inside, bucket, ())
        filled[label] = {_bucket_label(start): _NOTHING for start in inner} | groups
        count += len(filled[label])
        if count > MOST_GROUPS:
            raise InvalidRequest("fill_gaps", f"{count} sub-groups and more", f"at most {MOST_GROUPS}: a shorter range")
    return filled
