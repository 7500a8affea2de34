"""The intake of an import: entries in, batches recorded, what became of each one counted and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from timestrata.cli.refused import Refused
from timestrata.cli.sources import Reading, Source, opened
from timestrata.errors import InvalidInput
from timestrata.facts import CompletedWorkflow
from timestrata.formats import Entry
from timestrata.ingest import Outcome

Record = Callable[[Sequence[CompletedWorkflow]], Iterable[Outcome]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An entry that was not accepted, and why."""

    file: str
    line: int
    status: Literal["conflict", "rejected"]
    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """What was accepted but is worth a look."""

    file: str
    line: int
    text: str


@dataclass(slots=True)
class Report:
    """What became of the entries so far; of refusals and notes the first `shown` are kept, all are counted."""

    dry_run: bool = False
    interrupted: bool = False
    read: int = 0
    accepted: int = 0
    recorded: int = 0
    replayed: int = 0
    conflicts: int = 0
    rejected: int = 0
    noted: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @property
    def refused(self) -> int:
        """Conflicts and rejections."""
        return self.conflicts + self.rejected


class Import:
    """Records the entries of inputs in batches; `record` writes one batch and returns what became of each item."""

    def __init__(self, record: Record, report: Report, reading: Reading, batch: int, shown: int) -> None:
        self._record = record
        self._report = report
        self._reading = reading
        self._batch = batch
        self._shown = shown

    def run(self, names: Iterable[str], refused: Refused, progress: Callable[[Source], None]) -> bool:
        """Import the inputs in order; return whether all were read, and not interrupted.

        An input that breaks off is refused from there on; the others still come.
        """
        try:
            for name in names:
                self._import(name, refused, progress)
        except KeyboardInterrupt:
            return False
        return True

    def _import(self, name: str, refused: Refused, progress: Callable[[Source], None]) -> None:
        try:
            with opened(name, self._reading) as source:
                refused.begin(source.header)
                for batch in _batches(source.entries, self._batch):
                    self._take(name, batch, refused)
                    progress(source)
        except InvalidInput as error:
            self._refuse(Refusal(name, error.line, "rejected", str(error)))

    def _take(self, name: str, entries: Sequence[Entry], refused: Refused) -> None:
        workflows = [entry.workflow for entry in entries if entry.workflow is not None]
        outcomes = iter(self._record(workflows) if workflows else ())
        for entry in entries:
            if entry.workflow is None:
                self._refuse(Refusal(name, entry.line, "rejected", entry.refusal or ""))
                refused.keep(entry)
            elif not self._count(name, entry, next(outcomes)):
                refused.keep(entry)

    def _count(self, name: str, entry: Entry, outcome: Outcome) -> bool:
        """Count what became of a workflow; return whether it was accepted."""
        if not outcome.ok:
            reason = f"line {entry.line}, workflow {outcome.workflow_id!r} of {outcome.user_id!r}: {outcome.reason}"
            status: Literal["conflict", "rejected"] = "conflict" if outcome.status == "conflict" else "rejected"
            self._refuse(Refusal(name, entry.line, status, reason))
            return False
        report = self._report
        report.read += 1
        report.accepted += 1
        report.recorded += outcome.status == "recorded"
        report.replayed += outcome.status == "replayed"
        for text in (*entry.notes, *outcome.notes):
            report.noted += 1
            if len(report.notes) < self._shown:
                report.notes.append(Note(name, entry.line, text))
        return True

    def _refuse(self, refusal: Refusal) -> None:
        report = self._report
        report.read += 1
        report.conflicts += refusal.status == "conflict"
        report.rejected += refusal.status == "rejected"
        if len(report.refusals) < self._shown:
            report.refusals.append(refusal)


def _batches(entries: Iterator[Entry], size: int) -> Iterator[list[Entry]]:
    """Yield lists of entries; what was read before the input breaks off comes first, then its InvalidInput."""
    while True:
        batch: list[Entry] = []
        try:
            batch.extend(islice(entries, size))  # keeps what came before an error
        except InvalidInput:
            if batch:
                yield batch
            raise
        if not batch:
            return
        yield batch
