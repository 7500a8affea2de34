"""The way back: archived facts into the tables, for a correction or because somebody wants to look at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import and_

from timestrata import ingest, manifest, schema
from timestrata.archive import Archive
from timestrata.dialects import Write
from timestrata.dimensions import Names
from timestrata.errors import ArchiveDamaged, ArchiveMismatch, ArchiveUnavailable, FactsSealed
from timestrata.ingest import Context
from timestrata.measures import Cells, Key, Sums, contribution
from timestrata.proofs import add_worked
from timestrata.stored import Span, Unit


class Reopener:
    """Opens the sealed day of a workflow that is to be corrected or deleted, in the transaction that does it."""

    def __init__(self, archive: Callable[[Context], Archive] | None) -> None:
        self._archive = archive

    def __call__(self, context: Context, unit: Unit, names: tuple[str, str]) -> None:
        """Bring a user's day back into the tables; the user is locked. Raises FactsSealed when that cannot be."""
        parts = manifest.parts(context.connection, Span((unit[0],), unit[1], unit[1]))
        if not parts:
            return
        if self._archive is None:
            raise FactsSealed(*names, "no archive is configured (TIMESTRATA_ARCHIVE)")
        try:
            reopen(context, self._archive(context), parts)
        except (ArchiveUnavailable, ArchiveDamaged, ArchiveMismatch) as error:
            raise FactsSealed(*names, str(error)) from error


def reopen(context: Context, archive: Archive, parts: Sequence[manifest.Part]) -> int:
    """Bring all the archived facts of users' days back into the tables; return how many completions.

    `parts` are every purged part of these days, and their users are locked. The cells stay as they are. Raises
    ArchiveUnavailable, ArchiveDamaged; then nothing has changed.
    """
    found = list(manifest.archived(archive, context.connection, Names(), parts))
    worked: dict[Key, Sums] = {}
    writes: list[Write] = []
    for _, facts in found:
        cells, numbered = Cells(), []
        for one in facts:
            numbered.append((contribution(one.filed, one.labels, context.rules.gap_threshold), one.number))
            cells.put(numbered[-1][0])
        add_worked(worked, cells.worked, -1)
        writes.extend(ingest.plan_facts(numbered))
    writes.append(Write("merge", schema.archived_worked, [key + worked[key] for key in sorted(worked)]))
    writes.append(Write("delete", schema.day_seal, sorted({part.unit for part, _ in found})))
    connection = context.connection
    context.dialect.apply(connection, writes)
    left = context.dialect.matching(connection, schema.archived_worked, sorted(worked))  # type: ignore[arg-type]
    empty = [row[:-2] for row in left if not any(row[-2:])]
    context.dialect.apply(connection, [Write("delete", schema.archived_worked, empty)])
    part = schema.archive_part.c
    for reopened, _ in found:
        here = and_(part.user_id == reopened.user_id, part.day == reopened.day, part.file_id == reopened.file_id)
        manifest.set_state(connection, here, schema.VOID)
    return sum(len(facts) for _, facts in found)
