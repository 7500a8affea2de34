"""The write path: record, correct and delete, each inside a transaction that the caller owns.

Every call takes the lock of its users first, then reads the receipts, then writes facts and cells together. The lock
makes the rest of the user's rows its own until the commit, so nothing below it waits for anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Engine, Table, and_, delete, func, select, update

from timestrata import recorded, schema
from timestrata.calendar import instant, local_days
from timestrata.dialects import Dialect, NewFacts, Receipt, UserState, Write, measures_of, nothing
from timestrata.dimensions import Dimensions
from timestrata.errors import BatchRejected, FactsSealed, StaleRevision, UnknownWorkflow
from timestrata.facts import CompletedWorkflow, attributes_text, fingerprint
from timestrata.measures import (
    GAP_THRESHOLD,
    Cells,
    Contribution,
    Filed,
    Key,
    Labels,
    Sums,
    bucket_range,
    contribution,
    difference,
    file_under,
)
from timestrata.packed import pack, unpack

Status = Literal["recorded", "replayed", "conflict", "rejected", "corrected", "deleted"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one workflow that was handed in.

    recorded, corrected, deleted: written, at `revision`. replayed: it stood there already; nothing changed.
    conflict: the id stands there with other content; nothing changed. rejected: it cannot be accepted.
    The last two have a `reason`. `notes` say what was accepted but is worth a look.
    """

    status: Status
    user_id: str | None
    workflow_id: str | None
    revision: int | None = None
    reason: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """True unless it is a conflict or rejected."""
        return self.status not in ("conflict", "rejected")

    def noted(self, notes: tuple[str, ...]) -> Outcome:
        """Return the outcome with notes before its own."""
        return replace(self, notes=(*notes, *self.notes)) if notes else self


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of a store that its figures rest on."""

    default_timezone: str = "UTC"
    day_start_seconds: int = 0
    gap_threshold: Fraction = GAP_THRESHOLD


class Context(NamedTuple):
    """What every write needs: a connection in a transaction, its dialect, the interned names, the rules."""

    connection: Connection
    dialect: Dialect
    dimensions: Dimensions
    rules: Rules


class _New(NamedTuple):
    """A workflow that is going to be written."""

    contribution: Contribution
    number: int
    fingerprint: bytes

    @property
    def filed(self) -> Filed:
        """The workflow and its local days."""
        return self.contribution.filed

    @property
    def labels(self) -> Labels:
        """The ids of its names."""
        return self.contribution.labels


# --------------------------------------------------------------------------------------------------------- record


def record(
    context: Context,
    workflows: Sequence[CompletedWorkflow],
    labels: Sequence[Labels],
    strict: bool,
    planned: Callable[[], None] = nothing,
) -> list[Outcome]:
    """Record workflows whose names are interned; return one Outcome each, in their order.

    Replays and conflicts write nothing and do not disturb the others; with `strict` a conflict raises BatchRejected
    before anything is written. `planned` is called as Dialect.apply() does.
    """
    keys = [(_user(each), workflow.workflow_id) for workflow, each in zip(workflows, labels, strict=True)]
    users = sorted({user_id for user_id, _ in keys})
    states, receipts = context.dialect.lock(context.connection, users, keys)
    context.dimensions.zones.update((user_id, state.timezone or "") for user_id, state in states.items())
    sifter = _Sifter(context.rules, states, receipts)
    chunks: Iterable[list[_New]] = (
        sifter.sift(workflows[start : start + _CHUNK], labels[start : start + _CHUNK])
        for start in range(0, len(workflows), _CHUNK)
    )
    if strict:
        chunks = list(chunks)
        _refuse_conflicts(sifter.outcomes)
    context.dialect.apply(context.connection, plan(chunks), planned)
    return sifter.outcomes


class Direct(NamedTuple):
    """What a write needs that commits by itself: as Context, but an engine, and `planned` as Dialect.apply() has it."""

    engine: Engine
    dialect: Dialect
    dimensions: Dimensions
    rules: Rules
    planned: Callable[[], None] = nothing


def record_new(
    direct: Direct, workflows: Sequence[CompletedWorkflow], labels: Sequence[Labels]
) -> list[Outcome] | None:
    """Record new workflows in one statement that commits by itself; None where record() has to look closer.

    The users' zones are taken from memory, and the statement makes sure that they are still so.
    """
    engine, dialect, dimensions, rules, planned = direct
    users: dict[int, NewFacts] = {}
    new: list[_New] = []
    for workflow, each in zip(workflows, labels, strict=True):
        user_id = _user(each)
        zone = dimensions.zones.get(user_id)
        if zone is None:
            return None
        _, asked, before = users.get(user_id, (user_id, None, 0))
        users[user_id] = NewFacts(user_id, asked if workflow.timezone is not None else zone, before + 1)
        filed = _file(rules, workflow, UserState(0, zone or None, None))
        new.append(_New(contribution(filed, each, rules.gap_threshold), before + 1, fingerprint(workflow)))
    if not dialect.record_new(engine, [users[user_id] for user_id in sorted(users)], _plan_chunk(new), planned):
        return None
    return [Outcome("recorded", one.user_id, one.workflow_id, 1, notes=one.oddities) for one in workflows]


def record_tracked(
    context: Context, workflow: CompletedWorkflow, labels: Labels, number: int, counted: Mapping[Key, Sums]
) -> bool:
    """Record a workflow that was tracked under `number`, in the zone it carries; its user is locked.

    `counted` is what its sessions have put into cell_worked before: the worked time is counted once. Returns False,
    with nothing written, when other content was recorded under its id; the same content is there already.
    """
    user_id = _user(labels)
    key = (user_id, workflow.workflow_id)
    states, receipts = context.dialect.lock(context.connection, [user_id], [key])
    filed = _file(context.rules, workflow, states[user_id])
    new = _New(contribution(filed, labels, context.rules.gap_threshold), number, fingerprint(workflow))
    known = receipts.get(key)
    if known is not None:
        if known.state == schema.DELETED or new.fingerprint not in (known.fingerprint, known.first_fingerprint):
            return False
        context.dialect.apply(context.connection, [Write("merge", schema.cell_worked, difference({}, counted))])
        return True
    writes = list(_plan_chunk([new]))
    for index, write in enumerate(writes):
        if write.table is schema.receipt:  # its number is that of its start, and this is the change after it
            writes[index] = Write("insert", schema.receipt, [(*_receipt_row(new)[:-1], states[user_id].seq + 1)])
        if write.table is schema.cell_worked:
            after = {row[:-2]: row[-2:] for row in write.rows}
            writes[index] = Write("merge", schema.cell_worked, difference(after, counted))
    context.dialect.apply(context.connection, writes)
    return True


def _refuse_conflicts(outcomes: Sequence[Outcome]) -> None:
    for index, outcome in enumerate(outcomes):
        if not outcome.ok:
            raise BatchRejected(index, outcome.workflow_id, outcome.status, outcome.reason)


def _user(labels: Labels) -> int:
    assert isinstance(labels.user, int)
    return labels.user


class _Sifter:
    """Tells what is new from what stands there already; a later twin in the batch meets the earlier one's receipt."""

    def __init__(self, rules: Rules, states: Mapping[int, UserState], receipts: dict[tuple[int, str], Receipt]) -> None:
        self.outcomes: list[Outcome] = []
        self._rules = rules
        self._states = states
        self._receipts = receipts
        self._seq = {user_id: state.seq for user_id, state in states.items()}

    def sift(self, workflows: Sequence[CompletedWorkflow], labels: Sequence[Labels]) -> list[_New]:
        """Return what is new of a part of the batch, and add an outcome for each workflow."""
        new: list[_New] = []
        for workflow, each in zip(workflows, labels, strict=True):
            user_id = _user(each)
            key = (user_id, workflow.workflow_id)
            print_ = fingerprint(workflow)
            known = self._receipts.get(key)
            if known is not None:
                self.outcomes.append(_judge(self._rules, workflow, print_, known))
                continue
            number = self._seq[user_id] = self._seq[user_id] + 1
            filed = _file(self._rules, workflow, self._states[user_id])
            new.append(_New(contribution(filed, each, self._rules.gap_threshold), number, print_))
            self._receipts[key] = Receipt(number, 1, schema.RECORDED, filed.day, print_, None)
            names = (workflow.user_id, workflow.workflow_id)
            self.outcomes.append(Outcome("recorded", *names, 1, notes=workflow.oddities))
        return new


def _file(rules: Rules, workflow: CompletedWorkflow, state: UserState, known: str | None = None) -> Filed:
    """File a workflow under the days of the zone in force: its own, else the known one, the user's, the store's."""
    timezone = workflow.timezone or known or state.timezone or rules.default_timezone
    return file_under(workflow, local_days(timezone, rules.day_start_seconds), timezone)


def _judge(rules: Rules, workflow: CompletedWorkflow, print_: bytes, known: Receipt) -> Outcome:
    names = (workflow.user_id, workflow.workflow_id, known.revision)
    if print_ not in (known.fingerprint, known.first_fingerprint):
        if known.state == schema.DELETED:
            reason = f"deleted at revision {known.revision}; correct() brings it back"
        else:
            reason = f"recorded with other content, at revision {known.revision}; correct() changes it"
        return Outcome("conflict", *names, reason=reason)
    if workflow.timezone is not None and print_ != known.first_fingerprint:
        day = local_days(workflow.timezone, rules.day_start_seconds).day(instant(workflow.completed_at))
        if day != known.day:
            reason = f"recorded on another local day than in {workflow.timezone}; correct() changes it"
            return Outcome("conflict", *names, reason=reason)
    notes = (f"deleted at revision {known.revision}",) if known.state == schema.DELETED else ()
    return Outcome("replayed", *names, notes=notes)


# ----------------------------------------------------------------------------------------------------------- plans


_CHUNK = 30  # workflows a statement. Measured on PostgreSQL, in batches of 1,000: 30 is a sixth faster than 100


def plan(chunks: Iterable[Sequence[_New]]) -> Iterator[Write]:
    """Yield what is written for new workflows, chunk by chunk: first the facts, then the cells.

    In chunks, because a database that is sent one stores it while the next is being made.
    """
    seq: dict[int, int] = {}
    for new in chunks:
        yield from _plan_chunk(new)
        for one in new:
            user_id = _user(one.labels)
            seq[user_id] = seq.get(user_id, 0) + 1
    yield Write("merge", schema.user_state, [(user_id, count, None, None) for user_id, count in sorted(seq.items())])


def _plan_chunk(new: Sequence[_New]) -> Iterator[Write]:
    yield from _plan_facts(new)
    yield Write("insert", schema.receipt, sorted(map(_receipt_row, new)))
    yield Write("insert", schema.gap_alert, sorted(_alert_rows(new), key=_alert_key))
    cells = Cells()
    for one in new:
        cells.put(one.contribution)
    yield from _plan_cells(cells)


def plan_facts(facts: Iterable[tuple[Contribution, int]]) -> list[Write]:
    """Return what puts facts into the tables, (contribution, number) each, without their cells and receipts."""
    return list(_plan_facts([_New(*fact, b"") for fact in facts]))


def _plan_facts(new: Sequence[_New]) -> Iterator[Write]:
    yield Write("insert", schema.completion, [_completion_row(one) for one in new])
    with_sessions = [one for one in new if one.filed.parts]
    if with_sessions:
        yield Write("insert", schema.session, [row for one in with_sessions for row in _session_rows(one)])
        yield Write("insert", schema.pause, [row for one in with_sessions for row in _pause_rows(one)])
        yield Write("insert", schema.session_part, [row for one in with_sessions for row in _part_rows(one)])


def _completion_row(one: _New) -> tuple[Any, ...]:
    (workflow, day, timezone, parts), labels, _, steps = one.contribution
    return (
        labels.user,
        day,
        one.number,
        workflow.workflow_id,
        workflow.ticket_key,
        labels.ticket_type,
        labels.template,
        instant(workflow.started_at),
        instant(workflow.completed_at),
        timezone,
        workflow.active_seconds,
        workflow.pause_seconds if parts else 0,
        workflow.estimated_seconds,
        attributes_text(workflow) if workflow.attributes else None,
        pack(steps),
    )


def _receipt_row(one: _New) -> tuple[Any, ...]:
    (workflow, day, _, _), labels, _, _ = one.contribution
    return (labels.user, workflow.workflow_id, one.number, 1, schema.RECORDED, day, one.fingerprint, None, None)


def _session_rows(one: _New) -> Iterator[tuple[Any, ...]]:
    for ordinal, (step_id, session) in enumerate(_sessions(one)):
        span = (instant(session.started_at), instant(session.ended_at))
        yield (one.labels.user, one.number, ordinal, step_id, *span, session.active_seconds, session.pause_seconds)


def _pause_rows(one: _New) -> Iterator[tuple[Any, ...]]:
    for ordinal, (_, session) in enumerate(_sessions(one)):
        for position, pause in enumerate(session.pauses):
            span = (instant(pause.paused_at), instant(pause.resumed_at))
            yield (one.labels.user, one.number, ordinal, position, *span)


def _part_rows(one: _New) -> Iterator[tuple[Any, ...]]:
    for part in one.filed.parts:
        yield (one.labels.user, part.day, one.number, part.session, part.worked_seconds)


def _sessions(one: _New) -> Iterator[tuple[Any, Any]]:
    for step, step_id in zip(one.filed.workflow.steps, one.labels.steps, strict=True):
        for session in step.sessions:
            yield step_id, session


def _alert_rows(new: Iterable[_New]) -> Iterator[tuple[Any, ...]]:
    for one in new:
        (workflow, _, _, _), _, gap, steps = one.contribution
        if gap:
            yield _alert_row(one, schema.WHOLE, workflow.active_seconds, workflow.estimated_seconds)
        for step_id, active, _, _, estimated, over in steps:
            if over:
                yield _alert_row(one, step_id, active, estimated)


def _alert_row(one: _New, step_id: Any, actual: int, estimated: int | None) -> tuple[Any, ...]:
    (workflow, day, _, _), (user, ticket_type, template, _), _, _ = one.contribution
    key = (user, day, one.number, step_id, workflow.workflow_id, workflow.ticket_key, ticket_type, template)
    return (*key, instant(workflow.completed_at), actual, estimated, None)


def _alert_key(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return row[:4]


def _plan_cells(cells: Cells) -> Iterator[Write]:
    """Yield the merges of cells, each key once and in order."""
    yield Write("merge", schema.cell_completion, _sorted_rows(cells.completion))
    yield Write("merge", schema.cell_step, _sorted_rows(cells.step))
    yield Write("merge", schema.cell_worked, _sorted_rows(cells.worked))


def _sorted_rows(cells: dict[Key, Sums]) -> list[tuple[Any, ...]]:
    return [key + cells[key] for key in sorted(cells)]


# ---------------------------------------------------------------------------------------------- correct and delete


Reopen = Callable[[Context, tuple[int, int], tuple[str, str]], None]
"""Brings a (user, day) back from the archive for a change of a workflow, (user, id) by name. Raises FactsSealed."""


def correct(
    context: Context,
    workflow: CompletedWorkflow,
    labels: Labels,
    expected_revision: int | None,
    reopen: Reopen | None = None,
) -> Outcome:
    """Replace the content of a recorded workflow; the cells become as if the old content had never been.

    A workflow that was deleted comes back. A retry of the same correction changes nothing. The local days are those
    of the new content's zone if it has one, else of the zone that was in force for the old content. The least and the
    greatest are found again among all facts of a day, so that one that is archived is opened again.
    Raises UnknownWorkflow, StaleRevision, FactsSealed.
    """
    user_id = _user(labels)
    state, known = _locked(context, user_id, workflow.user_id, workflow.workflow_id)
    names, print_ = (workflow.user_id, workflow.workflow_id), fingerprint(workflow)
    # Before a day is opened for nothing. What looks like a retry may yet be refused: then the savepoint takes the
    # opening back, because the transaction may be the caller's, who goes on with it.
    _check_revision(*names, known, expected_revision, print_ == known.fingerprint)
    retried = expected_revision is not None and expected_revision != known.revision
    with context.connection.begin_nested() if retried else nullcontext():
        old = _old(context, user_id, names, (state, known), reopen)
        filed = _file(context.rules, workflow, state, old.filed.timezone if old else None)
        same = old is not None and print_ == known.fingerprint and filed[1:] == old.filed[1:]
        _check_revision(*names, known, expected_revision, same)
    if same:
        return Outcome("replayed", workflow.user_id, workflow.workflow_id, known.revision)
    new = _New(contribution(filed, labels, context.rules.gap_threshold), known.number, print_)
    _replace(context, user_id, workflow.workflow_id, known, old, new)
    return Outcome("corrected", workflow.user_id, workflow.workflow_id, known.revision + 1, notes=workflow.oddities)


def remove(
    context: Context,
    user_id: int,
    names: tuple[str, str],
    expected_revision: int | None,
    reopen: Reopen | None = None,
) -> Outcome:
    """Delete a recorded workflow, (user, workflow) by name; its receipt stays, so a late retry cannot bring it back.

    A workflow that is deleted already stays so: replayed. Raises UnknownWorkflow, StaleRevision, FactsSealed.
    """
    state, known = _locked(context, user_id, *names)
    deleted = known.state == schema.DELETED
    _check_revision(*names, known, expected_revision, deleted)
    if deleted:
        return Outcome("replayed", *names, known.revision)
    old = _old(context, user_id, names, (state, known), reopen)
    _replace(context, user_id, names[1], known, old, None)
    return Outcome("deleted", *names, known.revision + 1)


def _locked(context: Context, user_id: int, user: str, workflow_id: str) -> tuple[UserState, Receipt]:
    key = (user_id, workflow_id)
    states, receipts = context.dialect.lock(context.connection, [user_id], [key])
    if key not in receipts:
        raise UnknownWorkflow(user, workflow_id)
    return states[user_id], receipts[key]


def _check_revision(user: str, workflow_id: str, known: Receipt, expected: int | None, same: bool) -> None:
    """Refuse a stale revision, but let the retry of a change through that was made from it."""
    if expected is None or expected == known.revision or (same and expected == known.revision - 1):
        return
    raise StaleRevision(user, workflow_id, expected, known.revision)


def _old(
    context: Context, user_id: int, names: tuple[str, str], locked: tuple[UserState, Receipt], reopen: Reopen | None
) -> _New | None:
    """Return the facts that stand now, None when the workflow is deleted."""
    state, known = locked
    if known.state == schema.DELETED:
        return None
    if reopen is not None and state.sealed_through is not None and known.day <= state.sealed_through:
        reopen(context, (user_id, known.day), names)
    found = recorded.find(context.connection, user_id, (known.day, known.number))
    if found is None:
        raise FactsSealed(*names, "the tables do not have them, and no archive is configured")
    context.dimensions.intern(context.connection, [found.workflow])
    labels = context.dimensions.labels([found.workflow])[0]
    return _New(contribution(found.filed, labels, context.rules.gap_threshold), known.number, known.fingerprint)


def _replace(
    context: Context, user_id: int, workflow_id: str, known: Receipt, old: _New | None, new: _New | None
) -> None:
    """Put the facts, cells, alerts and the receipt of `new` in the place of those of `old`."""
    connection = context.connection
    before, after = Cells(), Cells()
    dismissed: dict[Any, Any] = {}
    if old is not None:
        before.put(old.contribution)
        dismissed = _take_alerts(connection, user_id, old)
        _delete_facts(connection, user_id, old)
    writes: list[Write] = []
    if new is not None:
        after.put(new.contribution)
        writes.extend(_plan_facts([new]))
        writes.append(Write("insert", schema.gap_alert, _keep_dismissed(_alert_rows([new]), dismissed)))
    fresh = Cells(*(_only_new(one, other) for one, other in zip(_grains(after), _grains(before), strict=True)))
    writes.extend(_plan_cells(fresh))
    writes.append(Write("merge", schema.user_state, [(user_id, 1, None, None)]))
    context.dialect.apply(connection, writes)
    for grain, was, becomes in zip(_GRAINS, _grains(before), _grains(after), strict=True):
        for key, measure in sorted(was.items()):
            _change(connection, grain, key, measure, becomes.get(key))
    _update_receipt(connection, user_id, workflow_id, known, new)


def _grains(cells: Cells) -> tuple[dict[Key, Sums], dict[Key, Sums], dict[Key, Sums]]:
    return cells.completion, cells.step, cells.worked


def _only_new(after: dict[Key, Sums], before: dict[Key, Sums]) -> dict[Key, Sums]:
    return {key: sums for key, sums in after.items() if key not in before}


def _take_alerts(connection: Connection, user_id: int, old: _New) -> dict[Any, Any]:
    """Delete a workflow's alerts; return when each one was dismissed, by step, actual and estimate."""
    c = schema.gap_alert.c
    mine = and_(c.user_id == user_id, c.day == old.filed.day, c.number == old.number)
    rows = connection.execute(
        select(c.step_id, c.actual_seconds, c.estimated_seconds, c.dismissed_at).where(mine)
    ).fetchall()
    connection.execute(delete(schema.gap_alert).where(mine))
    return {tuple(row[:3]): row.dismissed_at for row in rows}


def _keep_dismissed(rows: Iterable[tuple[Any, ...]], dismissed: dict[Any, Any]) -> list[tuple[Any, ...]]:
    """A dismissed alert stays dismissed while its figures stay; other figures are news."""
    return sorted(((*row[:-1], dismissed.get((row[3], row[9], row[10]))) for row in rows), key=_alert_key)


def _delete_facts(connection: Connection, user_id: int, old: _New) -> None:
    by_day = [(schema.completion, {old.filed.day}), (schema.session_part, {part.day for part in old.filed.parts})]
    for table, days in by_day:
        if days:
            c = table.c
            connection.execute(
                delete(table).where(c.user_id == user_id, c.day.in_(sorted(days)), c.number == old.number)
            )
    if old.filed.parts:
        for table in (schema.pause, schema.session):
            connection.execute(delete(table).where(table.c.user_id == user_id, table.c.number == old.number))


_Extremes = Callable[[Connection, Any], dict[str, Any]]
"""Finds the least and the greatest duration of a cell again, among the facts of its day and bucket."""


def _completion_extremes(connection: Connection, key: tuple[int, int, int, int, int]) -> dict[str, Any]:
    *dimensions, bucket = key
    c = schema.completion.c
    columns = (c.user_id, c.day, c.ticket_type_id, c.template_id)
    inside = [column == value for column, value in zip(columns, dimensions, strict=True)]
    inside.append(c.active_seconds.between(*bucket_range(bucket)))
    return {
        f"{name}_seconds": select(choose(c.active_seconds)).where(*inside).scalar_subquery()
        for name, choose in (("min", func.min), ("max", func.max))
    }


def _step_extremes(connection: Connection, key: tuple[int, int, int, int]) -> dict[str, Any]:
    user_id, day, step_id, bucket = key
    low, high = bucket_range(bucket)
    c, names = schema.completion.c, schema.step.c
    template = select(names.template_id).where(names.step_id == step_id).scalar_subquery()
    packed = select(c.steps).where(c.user_id == user_id, c.day == day, c.template_id == template)
    seconds = [
        step.active_seconds
        for text in connection.execute(packed).scalars()
        for step in unpack(text)
        if step.step_id == step_id and low <= step.active_seconds <= high
    ]
    return {"min_seconds": min(seconds), "max_seconds": max(seconds)}


class _Grain(NamedTuple):
    """A cell table, with how its extremes are found again; None where nothing but sums is kept."""

    cells: Table
    extremes: _Extremes | None


_GRAINS = (
    _Grain(schema.cell_completion, _completion_extremes),
    _Grain(schema.cell_step, _step_extremes),
    _Grain(schema.cell_worked, None),
)


def _change(connection: Connection, grain: _Grain, key: Key, was: Sums, becomes: Sums | None) -> None:
    """Take `was` out of a cell that holds it and put `becomes` in; an empty cell goes.

    The extremes cannot be subtracted: they are found again in the day's facts, which must all be there.
    """
    if was == becomes:
        return
    cells = grain.cells
    here = and_(*(column == value for column, value in zip(cells.primary_key, key, strict=True)))
    columns = measures_of(cells)
    nothing = (0,) * len(columns)
    sums = {
        column.name: column + (after - before)
        for column, before, after in zip(columns, was, becomes or nothing, strict=True)
        if column.info["merge"] == "sum"
    }
    changed = connection.execute(update(cells).where(here).values(sums))
    if changed.rowcount != 1:
        raise AssertionError(f"{cells.name} {key}: the cell of a recorded fact is missing; the store is damaged")
    empty = and_(*(column == 0 for column in columns if column.info["merge"] == "sum"))
    gone = connection.execute(delete(cells).where(here, empty)).rowcount
    if grain.extremes is not None and not gone:
        connection.execute(update(cells).where(here).values(grain.extremes(connection, key)))


def _update_receipt(connection: Connection, user_id: int, workflow_id: str, known: Receipt, new: _New | None) -> None:
    c, states = schema.receipt.c, schema.user_state.c
    seq = select(states.seq).where(states.user_id == user_id).scalar_subquery()
    values: dict[str, Any] = {"revision": known.revision + 1, "state": schema.DELETED, "changed": seq}
    if new is not None:
        values |= {"state": schema.RECORDED, "day": new.filed.day, "fingerprint": new.fingerprint}
        values["first_fingerprint"] = func.coalesce(c.first_fingerprint, known.fingerprint)
    here = and_(c.user_id == user_id, c.workflow_id == workflow_id)
    connection.execute(update(schema.receipt).where(here).values(values))
