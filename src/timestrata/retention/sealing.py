"""A run of retention: freeze, verify, export, read back, manifest, and only then purge.

It goes month by month and through the users of each, in spans of about a thousand completions. No lock is held while
facts are read, verified and written out: one snapshot shows facts and cells in step. The purge then takes the locks,
finds every row as it was verified, or leaves it where it is. Whatever a killed run leaves half done is taken over by
the next one; a run that was taken over stops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple
from uuid import uuid4

from sqlalchemy import Connection, and_, func, or_, select, update

from timestrata import manifest, schema
from timestrata.archive import Archive, Row, Written, path_of, row_of, unit_digest
from timestrata.calendar import day_date, day_number, moment, next_bucket
from timestrata.dialects import StaleNames, Write
from timestrata.dimensions import Names
from timestrata.errors import ArchiveDamaged, ArchiveUnavailable, RetentionOvertaken
from timestrata.ingest import Context, Rules
from timestrata.measures import Filed, Key, Labels, Sums
from timestrata.proofs import Mismatch, cells_digests, fold_units, folded, mismatches, stored_cells
from timestrata.retention.unfinished import abandoning
from timestrata.stored import Span, Unit, raw_digests, read, read_raw
from timestrata.tracking.rules import Transactions

SPAN_COMPLETIONS = 1000
"""How many completions are read, and purged under the locks of their users, at once; one user's day is never split."""
FILE_COMPLETIONS = 100_000
_USERS = 200  # whose days are counted at once


@dataclass(frozen=True, slots=True)
class RetentionProblem:
    """A user's day that was left as it is, and why. Nothing of it was deleted."""

    user_id: str
    day: date
    reason: str


@dataclass(frozen=True, slots=True)
class RetentionProgress:
    """How far a run is: completions purged of all that it found, and the seconds since it began."""

    completions: int
    total: int
    seconds: float

    @property
    def rate(self) -> float:
        """Completions a second."""
        return self.completions / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """None while it cannot be told."""
        return (self.total - self.completions) / self.rate if self.rate else None


@dataclass(frozen=True, slots=True)
class RetentionRun:
    """What a run did. `ok` when it came to its end, and every eligible day could be verified."""

    started_at: datetime
    finished_at: datetime
    through: date
    """The last day that was eligible."""
    completions: int
    """Purged; they are in the archive."""
    user_days: int
    files: int
    bytes: int
    """Of these files."""
    postponed: int
    """User days whose facts changed meanwhile: the next run takes them."""
    stopped: bool
    """True when it was told to stop, at a point where nothing is half done."""
    problems: tuple[RetentionProblem, ...] = ()

    @property
    def ok(self) -> bool:
        """True when nothing is left to do or to look at."""
        return not self.problems and not self.stopped


class _Verified(NamedTuple):
    """What was verified of a span, as it has to be found again when it is purged."""

    span: Span
    raw: dict[Unit, bytes]
    cells: dict[Unit, bytes]
    worked: dict[Unit, dict[Key, Sums]]


@dataclass(slots=True)
class _Pending:
    """A file that is being written, with what its facts looked like."""

    file_id: str
    path: str
    spans: list[_Verified] = field(default_factory=list)
    units: dict[Unit, tuple[int, bytes]] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)
    completions: int = 0


class Sealing:
    """One run up to a day."""

    def __init__(
        self,
        transactions: Transactions,
        archive: Archive,
        rules: Rules,
        clock: Callable[[], int],
        *,
        progress: Callable[[RetentionProgress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> None:
        self._transactions = transactions
        self._archive = archive
        self._rules = rules
        self._clock = clock
        self._progress = progress
        self._should_stop = should_stop or (lambda: False)
        self._names = Names()
        self._started_at = clock()
        self._total = 0
        self._purged = 0
        self._user_days = 0
        self._files = 0
        self._bytes = 0
        self._postponed = 0
        self._stopped = False
        self._problems: list[RetentionProblem] = []

    def run(self, through: int) -> RetentionRun:
        """Archive and purge the facts of every day up to `through`.

        Raises ArchiveUnavailable, ArchiveDamaged, RetentionOvertaken; what is not purged by then stays in the tables.
        """
        self._take_over()
        if self._progress is not None:
            self._total = self._transactions.read(lambda own: _completions_until(own, through))
        done = None
        while not self._stopped:
            due = self._transactions.read(partial(_due, done=done, through=through))
            if not due:
                break
            first, last = _month_of(min(due.values()), through)
            self._month(sorted(user_id for user_id, day in due.items() if day <= last), first, last)
            done = last
        return RetentionRun(
            moment(self._started_at),
            moment(self._clock()),
            day_date(through),
            self._purged,
            self._user_days,
            self._files,
            self._bytes,
            self._postponed,
            self._stopped,
            tuple(self._problems),
        )

    def _take_over(self) -> None:
        for file in self._transactions.write([], lambda own: manifest.take_unfinished(own.connection)):
            self._archive.remove(file.path)
            self._forget(file.file_id)

    # ------------------------------------------------------------------------------------------------------- a month

    def _month(self, users: Sequence[int], first: int, last: int) -> None:
        spans = self._spans(users, first, last)
        for span in spans:
            if self._should_stop():
                self._stopped = True
                return
            pending = self._begin(first)
            try:
                self._seal(pending, span, spans)
            except StaleNames as error:  # somebody was erased meanwhile
                raise RetentionOvertaken(pending.path) from error

    def _seal(self, pending: _Pending, span: Span, following: Iterator[Span]) -> None:
        """Archive a span and what follows it, as far as one file goes, and purge it."""
        with abandoning(self._transactions, self._archive, pending.file_id, pending.path):
            written = self._export(pending, span, following)
            if pending.units:
                self._read_back(pending, written)
                self._enter(pending, written)
        if not pending.units:
            self._archive.remove(pending.path)
            self._forget(pending.file_id)
        for verified in pending.spans:
            self._purge(pending, verified)

    def _spans(self, users: Sequence[int], first: int, last: int) -> Iterator[Span]:
        """Yield spans of these days that hold about SPAN_COMPLETIONS each, by user."""
        for start in range(0, len(users), _USERS):
            window = Span(users[start : start + _USERS], first, last)
            counts = self._transactions.read(partial(_counts, window=window))
            yield from _grouped(counts, first, last)

    def _begin(self, day: int) -> _Pending:
        file_id = uuid4().hex
        pending = _Pending(file_id, path_of(day, file_id))
        now = self._clock()
        self._transactions.write([], lambda own: manifest.put_file(own.connection, file_id, pending.path, now))
        return pending

    def _forget(self, file_id: str) -> None:
        self._transactions.write([], lambda own: manifest.forget_file(own.connection, file_id))

    def _export(self, pending: _Pending, span: Span | None, following: Iterator[Span]) -> Written:
        """Write the verified facts of spans to the file, until it is long enough or there are no more."""
        with self._archive.writing(pending.path) as writer:
            while span is not None:
                rows = self._freeze(pending, span)
                digests = zip((unit for unit, _ in rows), writer.add([row for _, row in rows]), strict=True)
                for unit, group in groupby(digests, key=itemgetter(0)):
                    pending.units[unit] = _counted(digest for _, digest in group)
                pending.completions += len(rows)
                enough = pending.completions >= FILE_COMPLETIONS or self._should_stop()
                span = None if enough else next(following, None)
        return writer.written

    # -------------------------------------------------------------------------------------------- freeze and verify

    def _freeze(self, pending: _Pending, span: Span) -> list[tuple[Unit, Row]]:
        """Raise the watermark, verify the facts of a span, and return those that may go, as rows of the archive."""
        self._transactions.write([], lambda own: _raise_watermark(own, span))
        verified, rows, problems = self._transactions.read(lambda own: self._verify(own, span))
        self._problems.extend(problems)
        pending.spans.append(verified)
        pending.users.update((row["user_id"], unit[0]) for unit, row in rows)
        return rows

    def _verify(
        self, connection: Connection, span: Span
    ) -> tuple[_Verified, list[tuple[Unit, Row]], list[RetentionProblem]]:
        self._names.users.clear()  # the id of a person who was erased may be another one's by now
        facts = read(connection, self._names, span)
        by_unit = fold_units(facts, self._rules)
        problems: dict[Unit, str] = {}
        before = [part for part in manifest.parts(connection, span) if part.unit in by_unit]
        archived: list[tuple[Filed, Labels]] = []
        try:
            for _, found in manifest.archived(self._archive, connection, self._names, before):
                archived.extend((one.filed, one.labels) for one in found)
        except (ArchiveUnavailable, ArchiveDamaged) as error:
            # Facts that came late can only be verified with those that are archived of the day.
            problems.update((part.unit, str(error)) for part in before)
        stored = stored_cells(connection, span)
        expected = folded(connection, self._names, self._rules, span, facts, archived, by_unit=by_unit)
        for mismatch in mismatches(stored, expected, set(by_unit)):
            problems.setdefault(mismatch.key[:2], f"not archived: {_told(mismatch)}")  # type: ignore[arg-type]
        good = {unit: cells for unit, cells in by_unit.items() if unit not in problems}
        raw = raw_digests(one.raw for one in facts if one.raw.unit in good)
        worked = {unit: cells.worked for unit, cells in good.items()}
        rows = [(one.raw.unit, row_of(one.filed, one.raw.number)) for one in facts if one.raw.unit in good]
        told = [self._problem(unit, reason) for unit, reason in sorted(problems.items())]
        return _Verified(span, raw, cells_digests(stored, good), worked), rows, told

    def _problem(self, unit: Unit, reason: str) -> RetentionProblem:
        return RetentionProblem(self._names.users[unit[0]], day_date(unit[1]), reason)

    # ------------------------------------------------------------------------------------------ read back and enter

    def _read_back(self, pending: _Pending, written: Written) -> None:
        """Hold the file against what was written. Raises ArchiveDamaged."""
        found = self._archive.checksum(pending.path)
        if (found.bytes, found.digest) != (written.bytes, written.digest):
            raise ArchiveDamaged(pending.path, f"{found.bytes} bytes are not the {written.bytes} that were written")
        users = pending.users
        units: dict[Unit, tuple[int, bytes]] = {}
        rows = self._archive.read_digested(pending.path)
        for unit, group in groupby(rows, key=lambda pair: (users[pair[0]["user_id"]], pair[0]["day"])):
            units[unit] = _counted(digest for _, digest in group)
        if units != pending.units:
            raise ArchiveDamaged(pending.path, "its rows are not those that were written")

    def _enter(self, pending: _Pending, written: Written) -> None:
        """Put the file into the manifest, unless it was taken away or holds somebody who was erased meanwhile.

        An erasure finds the files of a person there: her lock makes it come before this, or see it.
        """

        def enter(own: Context) -> bool:
            numbers = sorted(pending.users.values())
            own.dialect.lock(own.connection, numbers, [])
            names = Names()
            names.learn(own.connection, set(numbers))
            same = {name: number for number, name in names.users.items()} == pending.users  # numbers are given again
            return same and manifest.keep_file(own.connection, pending.file_id, written, schema.EXPORTED, pending.units)

        if not self._transactions.write([], enter):
            raise RetentionOvertaken(pending.path)
        self._files += 1
        self._bytes += written.bytes

    # -------------------------------------------------------------------------------------------------------- purge

    def _purge(self, pending: _Pending, verified: _Verified) -> None:
        if not verified.raw:
            return
        now = self._clock()
        purged, postponed, completions = self._transactions.write(
            [], lambda own: purge(own, pending.file_id, verified, now)
        )
        self._user_days += purged
        self._postponed += postponed
        self._purged += completions
        if self._progress is not None:
            seconds = (now - self._started_at) / 1_000_000
            self._progress(RetentionProgress(self._purged, self._total, seconds))


def _counted(digests: Iterable[bytes]) -> tuple[int, bytes]:
    """Return how many rows of a user's day there are, and their digest."""
    found = list(digests)
    return len(found), unit_digest(found)


def purge(context: Context, file_id: str, verified: _Verified, now: int) -> tuple[int, int, int]:
    """Delete the facts of a span that are exactly as they were verified; return user days, those left, completions.

    The users are locked; what was changed since keeps its facts, and its part of the file no longer counts.
    """
    connection, dialect = context.connection, context.dialect
    span = verified.span
    users = sorted({unit[0] for unit in verified.raw})
    dialect.lock(connection, users, [])
    exported = {one.unit for one in manifest.parts(connection, span, (schema.EXPORTED,), file_id=file_id)}
    rows = [raw for raw in read_raw(connection, span.of(schema.completion)) if raw.unit in exported]
    found = raw_digests(rows)
    same = {unit for unit in exported if found.get(unit) == verified.raw.get(unit)}
    changed = exported - same
    part = schema.archive_part.c
    for units, state in ((same, schema.PURGED), (changed, schema.VOID)):
        for user_id, group in groupby(sorted(units), key=lambda unit: unit[0]):
            days = [day for _, day in group]
            here = and_(part.user_id == user_id, part.day.in_(days), part.file_id == file_id)
            manifest.set_state(connection, here, state)
    gone = [raw for raw in rows if raw.unit in same]
    keys = [(raw.completion.user_id, raw.number) for raw in gone]
    with_sessions = [raw for raw in gone if raw.sessions]
    sessions = [(raw.completion.user_id, raw.number) for raw in with_sessions]
    worked: dict[Key, Sums] = {}
    for unit in same:
        for key, (seconds, count) in verified.worked[unit].items():
            before = worked.get(key, (0, 0))
            worked[key] = before[0] + seconds, before[1] + count
    dialect.apply(
        connection,
        [
            Write("delete", schema.completion, [(*raw.unit, raw.number) for raw in gone]),
            Write("delete", schema.session, sessions),
            Write("delete", schema.pause, sessions),
            Write("delete", schema.session_part, [tuple(one)[:4] for raw in with_sessions for one in raw.parts]),
            Write("delete", schema.workflow_event, keys),
            Write("delete", schema.workflow, keys),
            Write("merge", schema.archived_worked, [key + worked[key] for key in sorted(worked)]),
            Write("delete", schema.day_seal, sorted(same)),
            Write("merge", schema.user_state, [(user_id, 1, None, None) for user_id in sorted({u for u, _ in same})]),
        ],
    )
    seals = [(*unit, now, verified.cells[unit]) for unit in sorted(same)]
    dialect.apply(connection, [Write("insert", schema.day_seal, seals)])
    return len(same), len(changed), len(gone)


def _told(mismatch: Mismatch) -> str:
    stored, expected = ("none" if value is None else value for value in (mismatch.stored, mismatch.expected))
    return (
        f"{mismatch.table} {mismatch.key[2:]}: {mismatch.column} is {stored}, the facts make it {expected}; "
        "`timestrata verify` says more, `timestrata rebuild` puts it right"
    )


def _raise_watermark(context: Context, span: Span) -> None:
    context.dialect.lock(context.connection, sorted(span.users), [])
    c = schema.user_state.c
    below = or_(c.sealed_through.is_(None), c.sealed_through < span.last)
    context.connection.execute(
        update(schema.user_state).where(c.user_id.in_(span.users), below).values(sealed_through=span.last)
    )


# -------------------------------------------------------------------------------------------------------- what is due


def _due(connection: Connection, done: int | None, through: int) -> dict[int, int]:
    """Return the first day after `done`, up to `through`, of which each user has completions in the tables.

    A search of the key for each user.
    """
    c, u = schema.completion.c, schema.user.c
    here = and_(c.user_id == u.user_id, c.day <= through)
    if done is not None:
        here = and_(here, c.day > done)
    first = select(func.min(c.day)).where(here).correlate(schema.user).scalar_subquery()
    return {user_id: day for user_id, day in connection.execute(select(u.user_id, first)) if day is not None}


def _completions_until(connection: Connection, through: int) -> int:
    c = schema.completion.c
    return int(connection.execute(select(func.count()).where(c.day <= through)).scalar_one())


def _counts(connection: Connection, window: Span) -> list[tuple[int, int, int]]:
    """Return (user, day, completions) of a window, in order."""
    c = schema.completion.c
    order = c.user_id, c.day
    rows = connection.execute(
        select(*order, func.count()).where(window.of(schema.completion)).group_by(*order).order_by(*order)
    )
    return [(user_id, day, count) for user_id, day, count in rows]


def _grouped(counts: Sequence[tuple[int, int, int]], first: int, last: int) -> Iterator[Span]:
    """Yield spans of SPAN_COMPLETIONS or less: several users over all the days, or some days of one user."""
    users: list[int] = []
    held = 0
    for user_id, group in groupby(counts, key=lambda row: row[0]):
        days = list(group)
        total = sum(count for _, _, count in days)
        if held + total > SPAN_COMPLETIONS and users:
            yield Span(tuple(users), first, last)
            users, held = [], 0
        if total > SPAN_COMPLETIONS:
            yield from _stretches(user_id, days, first, last)
        else:
            users.append(user_id)
            held += total
    if users:
        yield Span(tuple(users), first, last)


def _stretches(user_id: int, days: Sequence[tuple[int, int, int]], first: int, last: int) -> Iterator[Span]:
    """Yield the days of a busy user in stretches."""
    start, held = first, 0
    for _, day, count in days:
        if held and held + count > SPAN_COMPLETIONS:
            yield Span((user_id,), start, day - 1)
            start, held = day, 0
        held += count
    yield Span((user_id,), start, last)


def _month_of(day: int, through: int) -> tuple[int, int]:
    """Return the first and the last day of the month of a day, cut to `through`."""
    start = day_date(day).replace(day=1)
    return day_number(start), min(day_number(next_bucket(start, "month")) - 1, through)
