"""The archive, file by file: its bytes, its rows beside their receipts, and the cells and alerts that they make.

A file is read once, in its order, and looked at in portions of about a thousand completions, each in a snapshot of its
own; nobody's writing waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection, select

from timestrata import schema
from timestrata.archive import Checksum, Row, fact_of, unit_digest
from timestrata.audit import alerts
from timestrata.audit.archives import UNREADABLE
from timestrata.audit.chunks import SPAN_COMPLETIONS, user_page
from timestrata.audit.days import Terms, readable
from timestrata.audit.findings import FIRST_DAY, LAST_DAY, Findings, Naming, Problem
from timestrata.audit.worked import WorkedSums, part_sum
from timestrata.calendar import day_date
from timestrata.dimensions import Dimensions, Names
from timestrata.facts import fingerprint
from timestrata.manifest import Archived, File, Part, files, parts
from timestrata.measures import Cells, Key, Sums
from timestrata.proofs import cells_digests, mismatches, read_cells
from timestrata.stored import Span, Unit

T = TypeVar("T")
_KEYS = 500  # looked up in one statement
_MOST_NAMED = 20  # (user, day)s of a file that cannot be read
_MOST_READINGS = 60  # of a damaged file, to find out what of it is whole

Named = tuple[str, int]
"""(user name, local day)."""
Digested = tuple[Row, bytes]
"""A row of the archive with its digest, which was held against the row when it was read."""


class Reading(Protocol):
    """Reads in one snapshot, with findings of its own, which are kept when it is done."""

    def __call__(self, action: Callable[[Connection, Findings], T]) -> T: ...


@dataclass(slots=True)
class _Gathered:
    """What the archived completions of a (user, day) make, of the files read so far."""

    files: set[str] = field(default_factory=set)
    cells: Cells = field(default_factory=Cells)
    alerts: dict[alerts.AlertKey, alerts.AlertRow] = field(default_factory=dict)

    def copy(self) -> _Gathered:
        """Return one that can be added to."""
        cells = Cells(dict(self.cells.completion), dict(self.cells.step))
        return _Gathered(set(self.files), cells, dict(self.alerts))


class _Looked(NamedTuple):
    """What a portion of a file came to."""

    sound: set[Unit]
    """The (user, day)s that are purged, and as they were archived."""
    completions: int
    worked: list[tuple[Part, dict[Key, Sums]]]
    gathered: dict[Unit, _Gathered | None]
    """None: every part of it has been read."""


class ArchiveAudit:
    """The files of an archive, in the order of their paths: so the parts of a (user, day) are never far apart."""

    def __init__(self, read: Reading, terms: Terms, findings: Findings, users: Sequence[int] | None = None) -> None:
        """`users` limits it to what the archive holds of some, by id."""
        self.sums = WorkedSums()
        self.completions = 0
        self._read = read
        self._terms = terms
        self._findings = findings
        self._users = users
        self._gathered: dict[Unit, _Gathered] = {}
        self._expected: dict[str, int] = {}
        """By file, the sum of its purged parts: there is no way from a file to them but to look at all."""

    def files(self) -> list[File]:
        """Return the files to look at."""
        known = self._read(lambda own, _: files(own))
        after = 0
        while page := self._read(partial(_page_of_parts, after=after, wanted=self._users)):
            after, found = page
            for part in found:
                self._expected[part.file_id] = self._expected.get(part.file_id, 0) + part_sum([part])
        return [file for file in known if self._users is None or file.file_id in self._expected]

    def check(self, file: File) -> None:
        """Look at a file. One that was taken out of the archive meanwhile is passed over."""
        one = _FileAudit(self, file)
        one.check()
        if one.told and file in self._read(lambda own, _: files(own)):
            for problem in one.told:
                self._findings.add(problem)

    # ------------------------------------------------------------------------------------------ a portion of a file

    def expects(self, file: File) -> bool:
        """Tell whether anything in a file was purged when it began."""
        return file.file_id in self._expected

    def has_read(self, file: File) -> bool:
        """Tell whether all of that has been read."""
        return self.sums.files.get(file.file_id, 0) == self._expected.get(file.file_id, 0)

    def purged(self, file: File) -> tuple[list[Part], dict[int, str]]:
        """Return the purged parts of a file, and the names of their users. It looks at the parts of all files."""

        def find(connection: Connection, _: Findings) -> tuple[list[Part], dict[int, str]]:
            if self._users is None:
                found = parts(connection, file_id=file.file_id)
            else:
                mine = parts(connection, Span(self._users, FIRST_DAY, LAST_DAY))
                found = [part for part in mine if part.file_id == file.file_id]
            names = Names()
            names.learn(connection, {part.user_id for part in found})
            return found, names.users

        return self._read(find)

    def look(self, file: File, portion: dict[Named, list[Digested]]) -> set[Unit]:
        """Look at whole (user, day)s of a file; return those that are purged, and as they were archived."""
        looked = self._read(lambda own, findings: self._look(own, findings, file, portion))
        self.completions += looked.completions
        for part, cells in looked.worked:
            self.sums.add(part, cells)
        for unit, gathered in looked.gathered.items():
            if gathered is not None:
                self._gathered[unit] = gathered
            else:
                self._gathered.pop(unit, None)
        return looked.sound

    def _look(
        self, connection: Connection, findings: Findings, file: File, portion: dict[Named, list[Digested]]
    ) -> _Looked:
        naming = Naming(connection, Names(), findings)
        users = _user_ids(connection, {user for user, _ in portion})
        days = [day for _, day in portion]
        span = Span(sorted(users.values()), min(days), max(days))
        purged: dict[Unit, list[Part]] = {}
        for part in parts(connection, span):
            purged.setdefault(part.unit, []).append(part)
        rows: dict[Unit, tuple[Part, list[Row]]] = {}
        for (user, day), found in portion.items():
            unit = users.get(user, 0), day
            own = next((part for part in purged.get(unit, ()) if part.file_id == file.file_id), None)
            if own is None:
                continue  # it was opened again, or the person was erased
            ordered = sorted(found, key=lambda pair: int(pair[0]["number"]))
            if len(found) != own.completions or unit_digest(digest for _, digest in ordered) != own.digest:
                reason = f"its {len(found)} completions are not the {own.completions} that were archived"
                naming.add("archive", file.path, unit, reason)
                continue
            rows[unit] = own, [row for row, _ in ordered]
        facts = _facts(connection, rows)
        _check_receipts(connection, naming, facts)
        return self._fold(connection, naming, span, purged, facts)

    def _fold(
        self,
        connection: Connection,
        naming: Naming,
        span: Span,
        purged: dict[Unit, list[Part]],
        facts: dict[Unit, tuple[Part, list[Archived]]],
    ) -> _Looked:
        """Add up what facts make; compare the (user, day)s of which every part has been read."""
        threshold = self._terms.rules.gap_threshold
        looked = _Looked(set(facts), sum(len(found) for _, found in facts.values()), [], {})
        complete: dict[Unit, _Gathered] = {}
        for unit, (part, found) in facts.items():
            before = self._gathered.get(unit)
            gathered = before.copy() if before is not None else _Gathered()
            for one in found:
                gathered.cells.add(one.filed, one.labels, threshold)
            made = alerts.made_alerts(((one.filed, one.labels, one.number) for one in found), threshold)
            gathered.alerts.update(made)
            gathered.files.add(part.file_id)
            looked.worked.append((part, gathered.cells.worked))
            gathered.cells = Cells(gathered.cells.completion, gathered.cells.step)
            whole = gathered.files >= {each.file_id for each in purged[unit]}
            if whole:
                complete[unit] = gathered
            if not whole or before is not None:
                looked.gathered[unit] = None if whole else gathered
        if complete:
            self._compare(connection, naming, span, complete)
        return looked

    def _compare(self, connection: Connection, naming: Naming, span: Span, complete: dict[Unit, _Gathered]) -> None:
        expected = Cells()
        for gathered in complete.values():
            expected.completion.update(gathered.cells.completion)
            expected.step.update(gathered.cells.step)
        self._check_seals(connection, naming, span, cells_digests(expected, complete))
        made = {key: row for gathered in complete.values() for key, row in gathered.alerts.items()}
        self._add_late(connection, span, complete, expected, made)
        stored = Cells(
            *(
                {key: sums for key, sums in read_cells(connection, table, span).items() if key[:2] in complete}
                for table in (schema.cell_completion, schema.cell_step)
            )
        )
        for mismatch in mismatches(stored, expected):
            naming.cell("cell", mismatch, "it is not what the archived facts make it")
        found = {key: row for key, row in alerts.stored_alerts(connection, span).rows.items() if key[:2] in complete}
        for difference in alerts.differences(found, made, self._terms.cleaned_before):
            alerts.tell(naming, difference)

    def _add_late(
        self,
        connection: Connection,
        span: Span,
        complete: dict[Unit, _Gathered],
        expected: Cells,
        made: dict[alerts.AlertKey, alerts.AlertRow],
    ) -> None:
        """Add what facts make that came after their day was sealed."""
        c, threshold = schema.completion.c, self._terms.rules.gap_threshold
        rows = connection.execute(select(c.user_id, c.day).where(span.of(schema.completion)).distinct())
        for user_id, day in rows:
            if (user_id, day) in complete:
                facts, _ = readable(connection, Names(), Span((user_id,), day, day))
                for one in facts:
                    expected.add(one.filed, one.labels, threshold)
                hot = [(one.filed, one.labels, one.raw.number) for one in facts]
                made.update(alerts.made_alerts(hot, threshold))
        expected.worked.clear()

    def _check_seals(self, connection: Connection, naming: Naming, span: Span, digests: dict[Unit, bytes]) -> None:
        c = schema.day_seal.c
        rows = connection.execute(select(c.user_id, c.day, c.cells_digest).where(span.of(schema.day_seal)))
        for user_id, day, digest in rows:
            unit = (user_id, day)
            if digests.get(unit, digest) != digest:
                naming.findings.units.add(unit)
                naming.findings.cells.add(unit)
                reason = "its digest is not that of the cells that the archived facts make"
                naming.add("seal", schema.day_seal.name, unit, reason)

    def reading(self, file: File, wanted: Sequence[Part] | None, names: dict[int, str]) -> Iterator[Digested]:
        """Yield the rows of some parts of a file, or all of them. Raises what UNREADABLE holds."""
        archive = self._terms.source.opened()
        if wanted is None:
            return archive.read_digested(file.path)
        users = {names[part.user_id] for part in wanted}
        days = min(part.day for part in wanted), max(part.day for part in wanted)
        return archive.read_digested(file.path, users=users, days=days)

    def checksum(self, file: File) -> Checksum:
        """Return the size and SHA-256 of a file as it is there. Raises what UNREADABLE holds."""
        return self._terms.source.opened().checksum(file.path)

    @property
    def limited(self) -> bool:
        """Whether only some users are looked at."""
        return self._users is not None


class _FileAudit:
    """One file, read as a whole; where something of it is damaged, in halves, until what is whole has been seen."""

    def __init__(self, audit: ArchiveAudit, file: File) -> None:
        self.told: list[Problem] = []
        self._audit = audit
        self._file = file
        self._seen: set[Named] = set()
        self._sound: set[Unit] = set()
        self._readings = 0

    def check(self) -> None:
        """Look at the bytes, then at the rows."""
        audit, file = self._audit, self._file
        try:
            if not audit.limited:
                self._check_bytes()
        except UNREADABLE as error:
            self._tell(str(error))
        else:
            if audit.expects(file):
                self._rows(*(audit.purged(file) if audit.limited else (None, {})))
        if self.told or not audit.has_read(file):
            self._tell_missing()

    def _tell_missing(self) -> None:
        purged, names = self._audit.purged(self._file)
        missing = [part for part in purged if part.unit not in self._sound]
        self._audit.sums.unread |= {part.user_id for part in missing}
        if not self._readings:  # nothing of it can be read
            return
        unseen = [part for part in missing if (names[part.user_id], part.day) not in self._seen]
        for part in unseen[:_MOST_NAMED]:
            self._tell(f"{part.completions} completions of it cannot be read", names[part.user_id], part.day)
        if len(unseen) > _MOST_NAMED:
            self._tell(f"{len(unseen)} days of users in it cannot be read")

    def _check_bytes(self) -> None:
        found, file = self._audit.checksum(self._file), self._file
        if found.bytes != file.bytes:
            self._tell(f"it has {found.bytes} bytes, the manifest says {file.bytes}")
        elif found.digest != file.digest:
            self._tell("its SHA-256 is not that of the manifest")

    def _rows(self, wanted: Sequence[Part] | None, names: dict[int, str]) -> None:
        """Look at the rows of some parts, or of all; of those of a damaged file at the ones that can be read."""
        self._readings += 1
        try:
            for portion in _portions(self._audit.reading(self._file, wanted, names)):
                fresh = {unit: found for unit, found in portion.items() if unit not in self._seen}
                if fresh:
                    self._sound |= self._audit.look(self._file, fresh)
                    self._seen |= fresh.keys()
        except UNREADABLE as error:
            self._tell(str(error))
            if wanted is None:
                wanted, names = self._audit.purged(self._file)
            left = [part for part in wanted if (names[part.user_id], part.day) not in self._seen]
            for half in _halves(left) if len(left) > 1 and self._readings < _MOST_READINGS else ():
                self._rows(half, names)

    def _tell(self, reason: str, user: str | None = None, day: int | None = None) -> None:
        on = None if day is None else day_date(day)
        problem = Problem("archive", self._file.path, user, on, None, None, None, None, reason)
        if problem not in self.told:
            self.told.append(problem)


def _page_of_parts(
    connection: Connection, _: Findings, after: int, wanted: Sequence[int] | None
) -> tuple[int, list[Part]] | None:
    """Return the purged parts of the next users after an id, and the last of these; None at the end."""
    users = user_page(connection, after, wanted)
    return (users[-1], parts(connection, Span(users, FIRST_DAY, LAST_DAY))) if users else None


def _portions(rows: Iterable[Digested]) -> Iterator[dict[Named, list[Digested]]]:
    """Yield the rows of whole (user, day)s, in portions."""
    portion: dict[Named, list[Digested]] = {}
    held = 0
    for unit, group in groupby(rows, key=lambda pair: (pair[0]["user_id"], pair[0]["day"])):
        found = list(group)
        portion.setdefault(unit, []).extend(found)
        held += len(found)
        if held >= SPAN_COMPLETIONS:
            yield portion
            portion, held = {}, 0
    if portion:
        yield portion


def _halves(wanted: Sequence[Part]) -> tuple[list[Part], list[Part]]:
    """Split parts by user, those of one user by day."""
    users = sorted({part.user_id for part in wanted})
    middle, place = (
        (users[len(users) // 2], 0) if len(users) > 1 else (sorted(p.day for p in wanted)[len(wanted) // 2], 1)
    )
    first = [part for part in wanted if part.unit[place] < middle]
    return first, [part for part in wanted if part.unit[place] >= middle]


def _user_ids(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    c, wanted = schema.user.c, sorted(names)
    found: dict[str, int] = {}
    for start in range(0, len(wanted), _KEYS):
        rows = connection.execute(select(c.name, c.user_id).where(c.name.in_(wanted[start : start + _KEYS])))
        found.update((name, user_id) for name, user_id in rows)
    return found


def _facts(connection: Connection, rows: dict[Unit, tuple[Part, list[Row]]]) -> dict[Unit, tuple[Part, list[Archived]]]:
    """Return archived rows, which are as they were archived, as facts with the ids of their names."""
    dimensions = Dimensions()  # not kept: a person may be erased, and the id be another one's
    read = {unit: (part, found, [fact_of(row) for row in found]) for unit, (part, found) in rows.items()}
    workflows = [fact.filed.workflow for _, _, facts in read.values() for fact in facts]
    dimensions.recall(connection, workflows)
    labels = iter(dimensions.labels(workflows))
    return {
        unit: (part, [Archived(row, *fact, next(labels)) for row, fact in zip(found, facts, strict=True)])
        for unit, (part, found, facts) in read.items()
    }


def _check_receipts(connection: Connection, naming: Naming, facts: dict[Unit, tuple[Part, list[Archived]]]) -> None:
    """Hold archived completions against their receipts."""
    wanted: dict[int, list[str]] = {}
    for unit, (_, found) in facts.items():
        wanted.setdefault(unit[0], []).extend(one.filed.workflow.workflow_id for one in found)
    c = schema.receipt.c
    columns = select(c.user_id, c.workflow_id, c.number, c.day, c.state, c.fingerprint)
    receipts: dict[tuple[int, str], Any] = {}
    for user_id, names in wanted.items():  # one by one: SQLite scans the table for keys of two columns
        for start in range(0, len(names), _KEYS):
            rows = connection.execute(
                columns.where(c.user_id == user_id, c.workflow_id.in_(names[start : start + _KEYS]))
            )
            receipts.update(((row.user_id, row.workflow_id), row) for row in rows)
    for unit, (part, found) in facts.items():
        for one in found:
            workflow = one.filed.workflow
            receipt = receipts.get((unit[0], workflow.workflow_id))
            if receipt is None:
                reason = "an archived workflow has no receipt"
                naming.add("receipt", schema.receipt.name, unit, reason, item=workflow.workflow_id)
                continue
            for column, stored, expected in (
                ("number", receipt.number, one.number),
                ("day", receipt.day, unit[1]),
                ("state", receipt.state, schema.RECORDED),
            ):
                if stored != expected:
                    naming.add(
                        "receipt",
                        schema.receipt.name,
                        unit,
                        "it is not that of the archived workflow",
                        item=workflow.workflow_id,
                        column=column,
                        stored=stored,
                        expected=expected,
                    )
            if receipt.fingerprint != fingerprint(workflow):
                reason = "the receipt does not remember the workflow as it is archived"
                naming.add(
                    "receipt",
                    schema.receipt.name,
                    unit,
                    f"{reason} in {part.path}",
                    item=workflow.workflow_id,
                    column="fingerprint",
                )
