"""The table of jobs: who runs one, until when that is believed, when it is due, and how it last ended.

Every change is one conditional UPDATE that works alike on every database: of two processes that try, one finds the row
as it was, the other does not. All of them may be repeated when it is not known whether they were committed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, CursorResult, Update, case, or_, select, text, update

from timestrata import schema

_c = schema.job.c

_FARTHEST_AHEAD = 3_600_000_000
"""Microseconds by which another clock may be ahead; a lease beyond is of a clock that was wrong, and not believed."""


class Row(NamedTuple):
    """A job as it is stored. Instants are microseconds."""

    next_run_at: int | None
    holder: str | None
    held_until: int | None
    started_at: int | None
    finished_at: int | None
    outcome: Literal["ok", "failed"] | None
    result: Mapping[str, Any] | None
    succeeded_at: int | None

    def is_held(self, now: int) -> bool:
        """Tell whether somebody runs it."""
        return self.held_until is not None and now < self.held_until <= now + _FARTHEST_AHEAD


class Claim(NamedTuple):
    """One run of a job. `token` is nobody else's."""

    name: str
    token: str


def find(connection: Connection, names: Collection[str]) -> dict[str, Row]:
    """Return what is stored of jobs, by name."""
    return {row.name: _row(row) for row in connection.execute(select(schema.job).where(_c.name.in_(names)))}


def _row(row: Any) -> Row:
    kept = {} if row.result is None else json.loads(row.result)
    columns = (row.next_run_at, row.holder, row.held_until, row.started_at, row.finished_at, row.outcome)
    return Row(*columns, kept.get("result"), kept.get("succeeded_at"))


def add(connection: Connection, name: str) -> None:
    """Give a job its row, if it has none."""
    connection.execute(text("INSERT INTO ts_job (name) VALUES (:name) ON CONFLICT DO NOTHING"), {"name": name})


def put_off(connection: Connection, name: str, before: int | None, at: int | None) -> None:
    """Let a job be due `at` another time than `before`, unless somebody was faster."""
    add(connection, name)
    unchanged = _c.next_run_at.is_not_distinct_from(before)
    connection.execute(update(schema.job).where(_c.name == name, unchanged).values(next_run_at=at))


def take(connection: Connection, claim: Claim, now: int, lease: int, following: int | None, *, only_due: bool) -> bool:
    """Claim a job for a run, until the lease ends; tell whether nobody else has it (and it is due).

    A job stays due until its run ends, so that one that was killed is made good. But once only, then it waits for
    `following`: a job that kills its process would kill one after the other.
    """
    free = or_(
        _c.held_until.is_(None),
        _c.held_until <= now,
        _c.held_until > now + _FARTHEST_AHEAD,
        _c.holder == claim.token,  # this is the repetition
    )
    due = [_c.next_run_at <= now] if only_due else []
    taken = _of(claim.name, free, *due).values(
        holder=claim.token,
        held_until=now + lease,
        started_at=now,
        next_run_at=case((_c.holder.is_(None), _c.next_run_at), else_=following),
    )
    return _changed(connection, taken)


def hold(connection: Connection, claim: Claim, until: int) -> bool:
    """Extend a claim; tell whether it is still there."""
    return _changed(connection, _held(claim).values(held_until=until))


def leave(connection: Connection, claim: Claim) -> None:
    """Give a claim up before the job is done. It is due as before."""
    connection.execute(_held(claim).values(holder=None, held_until=None))


def finish(
    connection: Connection, claim: Claim, now: int, following: int | None, outcome: str, result: Mapping[str, object]
) -> None:
    """Give a claim up and write how its run ended, unless another process has taken over."""
    due = case((_c.next_run_at <= now, following), else_=_c.next_run_at)
    ended = _ended(connection, claim.name, now, outcome, result)
    connection.execute(_held(claim).values(holder=None, held_until=None, next_run_at=due, **ended))


def note(connection: Connection, name: str, started: int, now: int, outcome: str, result: Mapping[str, object]) -> None:
    """Write how a run ended that was no run of the schedule; one that is under way goes on."""
    add(connection, name)
    began = case((_c.holder.is_(None), started), else_=_c.started_at)
    ended = _ended(connection, name, now, outcome, result)
    connection.execute(_of(name).values(started_at=began, **ended))


def _ended(
    connection: Connection, name: str, now: int, outcome: str, result: Mapping[str, object]
) -> dict[str, object]:
    """Return the columns of how a run ended. The time of the last success is kept beside a later failure."""
    before = find(connection, [name]).get(name)
    succeeded_at = now if outcome == "ok" else None if before is None else before.succeeded_at
    kept = json.dumps({"succeeded_at": succeeded_at, "result": result})
    return {"finished_at": now, "outcome": outcome, "result": kept}


def _held(claim: Claim) -> Update:
    return _of(claim.name, _c.holder == claim.token)


def _of(name: str, *conditions: ColumnElement[bool]) -> Update:
    return update(schema.job).where(_c.name == name, *conditions)


def _changed(connection: Connection, statement: Update) -> bool:
    found = connection.execute(statement)
    assert isinstance(found, CursorResult)
    return found.rowcount == 1
