"""Retention of a store: what would go, the run, the way back, and the removal of a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, func, select, text

from timestrata import manifest, schema
from timestrata.archive import Archive, finished, reading_query
from timestrata.calendar import DateRange, day_date, day_number, instant, moment
from timestrata.dialects import Write
from timestrata.dimensions import Names
from timestrata.errors import ArchiveDamaged, ArchiveUnavailable, ClockJumped, InvalidRequest
from timestrata.facts import askable
from timestrata.ingest import Context, Rules
from timestrata.retention.erasing import Erasure, erase
from timestrata.retention.policy import DayCount, RetentionPlan, RetentionPolicy, eligible_through, plan
from timestrata.retention.reopening import Reopener, reopen
from timestrata.retention.sealing import RetentionProgress, RetentionRun, Sealing
from timestrata.stored import Span, Unit
from timestrata.tracking.rules import Transactions

_CLOCK, _STORE = "retention_clock", "store_id"
_BACK = timedelta(minutes=5)
"""Clocks of two machines differ: a run may be this much before the last one."""
_ALERTS = 1000


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """A file of the archive, as the manifest knows it."""

    path: str
    """Below the archive's root."""
    first: date
    last: date
    """The local days of its completions."""
    users: int
    completions: int
    """In the file."""
    counting: int
    """Of them those that still count: a day that was opened again is in a newer file, or in the tables."""
    bytes: int
    sha256: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Restored:
    """What was brought back from the archive into the tables."""

    user_days: int
    completions: int


@dataclass(frozen=True, slots=True)
class ArchiveCheck:
    """Whether the files of the archive are as they were written, and no others; `problems` say which are not."""

    files: int
    bytes: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True when every file is there and as it was."""
        return not self.problems


class Retention:
    """The retention of a store: `history.retention`."""

    def __init__(
        self,
        transactions: Transactions,
        policy: RetentionPolicy,
        rules: Rules,
        clock: Callable[[], datetime],
        archive: str | None,
    ) -> None:
        self.policy = policy
        self._transactions = transactions
        self._rules = rules
        self._clock = clock
        self._url = policy.archive or archive
        self._claimed: Archive | None = None

    @property
    def archive_url(self) -> str | None:
        """Where the archive is, None when none is configured."""
        return self._url

    def archive(self, within: Context | None = None) -> Archive:
        """Return the archive of this store, which is made when it is not there; `within` is a transaction that is open.

        Raises InvalidRequest when none is configured, ArchiveUnavailable, ArchiveMismatch when it is another store's.
        """
        if self._claimed is None:
            if self._url is None:
                wanted = "a folder or a URL such as s3://bucket/folder, in TIMESTRATA_ARCHIVE"
                raise InvalidRequest("archive", None, wanted)
            archive = Archive(self._url)
            store_id, in_use = _identity(within) if within else self._transactions.write([], _identity)
            archive.claim(store_id, in_use=in_use)
            self._claimed = archive
        return self._claimed

    def reopener(self) -> Reopener:
        """Return what opens a sealed day for a correction."""
        return Reopener(self.archive if self._url is not None else None)

    # ------------------------------------------------------------------------------------------------------ the run

    def plan(self) -> RetentionPlan:
        """Return what a run would archive and purge now. Counts every row that is due."""
        start = self._rules.day_start_seconds
        now = instant(self._clock())
        through = eligible_through(self.policy, now, start)
        counts = self._transactions.read(lambda own: _day_counts(own, through))
        return plan(self.policy, now, counts, start)

    def run(
        self,
        *,
        progress: Callable[[RetentionProgress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        accept_clock: bool = False,
    ) -> RetentionRun:
        """Archive and purge the facts of every day that is over for as long as the policy says.

        It may be killed at any point and run again. A day whose cells are not what its facts make them is left as it
        is and told in `problems`. `accept_clock` confirms a clock that seems wrong. Raises ClockJumped,
        ArchiveUnavailable, ArchiveDamaged, ArchiveMismatch, RetentionOvertaken, InvalidRequest.
        """
        now = instant(self._clock())
        archive = self.archive()
        if not accept_clock:
            last = self._transactions.read(lambda own: _setting(own, _CLOCK))
            self._check_clock(now, None if last is None else int(last))
        self._transactions.write([], lambda own: _put_setting(own.connection, _CLOCK, str(now)))
        sealing = Sealing(
            self._transactions,
            archive,
            self._rules,
            lambda: instant(self._clock()),
            progress=progress,
            should_stop=should_stop,
        )
        return sealing.run(eligible_through(self.policy, now, self._rules.day_start_seconds))

    def _check_clock(self, now: int, last: int | None) -> None:
        if last is None:
            return
        limit = timedelta(days=self.policy.clock_limit_days)
        if not -_BACK <= moment(now) - moment(last) <= limit:
            raise ClockJumped(moment(now).isoformat(), moment(last).isoformat(), f"{limit.days} days")

    def clean_alerts(self) -> int:
        """Delete the gap alerts that were dismissed longer ago than the policy keeps them; return how many."""
        before = instant(self._clock() - timedelta(days=self.policy.alerts_days))
        deleted = 0
        while True:
            keys = self._transactions.read(lambda own: _old_alerts(own, before))
            if not keys:
                return deleted
            deleted += self._transactions.write([], partial(_delete_alerts, keys=keys))

    # -------------------------------------------------------------------------------------------------- the archive

    def files(self) -> tuple[ArchiveFile, ...]:
        """Return the files of the archive, by path."""
        return self._transactions.read(_files)

    def check(self, *, should_stop: Callable[[], bool] | None = None) -> ArchiveCheck:
        """Read every file of the archive and hold it against the manifest. Raises what archive() does.

        Files that the manifest does not know are told and left: a copy of the store may rest on them.
        """
        archive = self.archive()
        there = list(archive.paths())
        known, being_written = self._transactions.read(_files_by_state)
        named = {file.path for file in (*known, *being_written)}
        problems = [
            f"{path}: not in the manifest, so nothing counts it and no erasure reaches it; a run that was broken off "
            "left it, or another copy of this store wrote it: remove it if no copy needs it"
            for path in there
            if finished(path) not in named and archive.exists(path)
        ]
        for file in known:
            if should_stop is not None and should_stop():
                break
            try:
                found = archive.checksum(file.path)
            except (ArchiveUnavailable, ArchiveDamaged) as error:
                problems.append(str(error))
            else:
                if (found.bytes, found.digest) != (file.bytes, file.digest):
                    problems.append(f"{file.path}: {found.bytes} bytes that are not the {file.bytes} of the manifest")
        return ArchiveCheck(len(known), sum(file.bytes for file in known), tuple(problems))

    def query(self) -> str:
        """Return the SQL with which DuckDB reads exactly what counts in the archive."""
        voids = self._transactions.read(_voids)
        return reading_query(self.archive().url, voids)

    def restore(self, dates: DateRange, user_id: str | None = None) -> Restored:
        """Bring the archived facts of a range back into the tables, until the next run archives them again.

        Raises ArchiveUnavailable, ArchiveDamaged, ArchiveMismatch; days that were done before stay restored.
        """
        archive = self.archive()
        user_days = completions = 0
        wanted = self._transactions.read(lambda own: _purged(own, dates, user_id))
        for unit, _ in groupby(wanted, key=lambda part: part.unit):
            count = self._transactions.write([], partial(_restore, archive=archive, unit=unit))
            user_days += count > 0
            completions += count
        return Restored(user_days, completions)

    def erase(self, user_id: str) -> Erasure:
        """Remove a person everywhere: facts, receipts, aggregates, alerts, live work, tokens, the archive's rows.

        Nothing of it can be brought back. All of it or nothing: see RetentionOvertaken and ArchiveUnavailable, after
        which it may be repeated. Raises UnknownUser, and what archive() does.
        """
        return erase(self._transactions, self.archive, askable(user_id), self._clock)


def _identity(context: Context) -> tuple[str, bool]:
    """Return the id by which an archive knows this store, made when it is first asked for; and whether it has files."""
    made = text("INSERT INTO ts_setting (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING")
    context.connection.execute(made, {"name": _STORE, "value": uuid4().hex})
    found = _setting(context.connection, _STORE)
    assert found is not None
    return found, bool(manifest.files(context.connection))


def _setting(connection: Connection, name: str) -> str | None:
    c = schema.setting.c
    value: str | None = connection.execute(select(c.value).where(c.name == name)).scalar()
    return value


def _put_setting(connection: Connection, name: str, value: str) -> None:
    put = text(
        "INSERT INTO ts_setting (name, value) VALUES (:name, :value) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    )
    connection.execute(put, {"name": name, "value": value})


def _day_counts(connection: Connection, through: int) -> list[DayCount]:
    c, s = schema.completion.c, schema.session_part.c
    texts = (c.workflow_id, c.ticket_key, c.timezone, c.steps, func.coalesce(c.attributes, ""))
    size = func.sum(sum((func.length(one) for one in texts[1:]), func.length(texts[0])) + 80)
    rows = connection.execute(
        select(c.day, func.count(c.user_id.distinct()), func.count(), size).where(c.day <= through).group_by(c.day)
    )
    counts = {day: DayCount(day, users, completions, int(size)) for day, users, completions, size in rows}
    # A part of a session takes about as much as the session and its pauses.
    parts = connection.execute(select(s.day, func.count()).where(s.day <= through).group_by(s.day))
    for day, number in parts:
        if day in counts:
            counts[day] = counts[day]._replace(bytes=counts[day].bytes + 150 * number)
    return list(counts.values())


def _old_alerts(connection: Connection, before: int) -> list[tuple[int, ...]]:
    table = schema.gap_alert
    due = select(*table.primary_key).where(table.c.dismissed_at < before).order_by(*table.primary_key).limit(_ALERTS)
    return [tuple(row) for row in connection.execute(due)]


def _delete_alerts(context: Context, keys: list[tuple[int, ...]]) -> int:
    users = sorted({key[0] for key in keys})
    context.dialect.lock(context.connection, users, [])
    changes: list[tuple[Any, ...]] = [(user_id, 1, None, None) for user_id in users]
    context.dialect.apply(
        context.connection,
        [Write("delete", schema.gap_alert, keys), Write("merge", schema.user_state, changes)],
    )
    return len(keys)


def _files_by_state(connection: Connection) -> tuple[list[manifest.File], list[manifest.File]]:
    """Return the files that are kept, and those that are being written or removed."""
    return manifest.files(connection), manifest.files(connection, schema.WRITING)


def _files(connection: Connection) -> tuple[ArchiveFile, ...]:
    c = schema.archive_part.c
    counting = func.sum(c.completions).filter(c.state == schema.PURGED)
    rows = connection.execute(
        select(c.file_id, func.min(c.day), func.max(c.day), func.count(c.user_id.distinct()), counting).group_by(
            c.file_id
        )
    )
    parts = {file_id: rest for file_id, *rest in rows}
    return tuple(
        ArchiveFile(
            file.path,
            day_date(first),
            day_date(last),
            users,
            file.completions,
            int(count or 0),
            file.bytes,
            (file.digest or b"").hex(),
            moment(file.created_at),
        )
        for file in manifest.files(connection)
        for first, last, users, count in [parts[file.file_id]]
    )


def _voids(connection: Connection) -> list[tuple[str, list[tuple[str, date]]]]:
    """Return each file with the (user, day)s in it that do not count."""
    excluded = manifest.parts(connection, states=(schema.VOID, schema.EXPORTED))
    names = Names()
    names.learn(connection, {part.user_id for part in excluded})
    by_file: dict[str, list[tuple[str, date]]] = {file.path: [] for file in manifest.files(connection)}
    for part in excluded:
        by_file[part.path].append((names.users[part.user_id], day_date(part.day)))
    return list(by_file.items())


def _purged(connection: Connection, dates: DateRange, user_id: str | None) -> list[manifest.Part]:
    first, last = (None if day is None else day_number(day) for day in (dates.first, dates.last))
    users: set[int] = set()
    if user_id is not None:
        c = schema.user.c
        users = set(connection.execute(select(c.user_id).where(c.name == askable(user_id))).scalars())
    return [
        part
        for part in manifest.parts(connection)
        if (user_id is None or part.user_id in users)
        and (first is None or part.day >= first)
        and (last is None or part.day <= last)
    ]


def _restore(context: Context, archive: Archive, unit: Unit) -> int:
    context.dialect.lock(context.connection, [unit[0]], [])
    parts = manifest.parts(context.connection, Span((unit[0],), unit[1], unit[1]))
    if not parts:
        return 0
    count = reopen(context, archive, parts)
    context.dialect.apply(context.connection, [Write("merge", schema.user_state, [(unit[0], 1, None, None)])])
    return count
