"""The worked time of archived facts: a sum by which a whole archive is compared in passing, and the cells themselves.

What archived facts put into the worked time falls on other days than their own, so that a cell of it may rest on any
file. A deep audit reads each file once and keeps, for every user, a sum that is linear in the cells: each is weighted
by a digest of its key. Two different sets of cells have the same sum with a probability of 2^-64. Only where the sums
differ are a user's files read again, for the cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from sqlalchemy import Connection, select

from timestrata import schema
from timestrata.audit.archives import Source
from timestrata.dimensions import Names
from timestrata.ingest import Rules
from timestrata.manifest import Archived, Part, parts
from timestrata.measures import Cells, Key, Sums
from timestrata.proofs import add_worked
from timestrata.stored import Span


def weighted(cells: Mapping[Key, Sums]) -> int:
    """Return the linear sum of cells of worked time: that of added cells is the sum of theirs."""
    total = 0
    for key, (seconds, sessions) in cells.items():
        digest = blake2b(repr(key).encode(), digest_size=16).digest()
        total += seconds * int.from_bytes(digest[:8]) + sessions * int.from_bytes(digest[8:])
    return total


def part_sum(found: Iterable[Part]) -> int:
    """Return a sum that tells which parts there are."""
    return sum(int.from_bytes(blake2b(repr(tuple(part)).encode(), digest_size=16).digest()) for part in found)


@dataclass(slots=True)
class WorkedSums:
    """By user, the sum of the worked time of archived facts that were read, and of the parts that they were in."""

    worked: dict[int, int] = field(default_factory=dict)
    read: dict[int, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    """By file, the sum of the parts that were read."""
    unread: set[int] = field(default_factory=set)
    """Users of whom something could not be read."""

    def add(self, part: Part, cells: Mapping[Key, Sums]) -> None:
        """Add the archived facts of a part."""
        one = part_sum([part])
        self.worked[part.user_id] = self.worked.get(part.user_id, 0) + weighted(cells)
        self.read[part.user_id] = self.read.get(part.user_id, 0) + one
        self.files[part.file_id] = self.files.get(part.file_id, 0) + one


def stored_worked(connection: Connection, user_id: int) -> dict[Key, Sums]:
    """Return the cells of archived_worked of one user."""
    table = schema.archived_worked
    rows = connection.execute(select(table).where(table.c.user_id == user_id))
    return {row[:4]: row[4:] for row in map(tuple, rows)}


def archived_cells(facts: Iterable[Archived], rules: Rules) -> dict[Key, Sums]:
    """Return what archived facts put into the worked time."""
    cells = Cells()
    for one in facts:
        cells.add(one.filed, one.labels, rules.gap_threshold)
    return cells.worked


def archived_worked(
    connection: Connection, rules: Rules, source: Source, user_id: int, days: tuple[int, int]
) -> tuple[dict[Key, Sums], list[Part], str | None]:
    """Return what all archived facts of a user put into the worked time, their parts, and why it cannot be told.

    `days` are the first and the last that there are. A part after the other, so that a long history fits into memory.
    """
    purged = parts(connection, Span((user_id,), *days))
    cells: dict[Key, Sums] = {}
    by_path: dict[str, list[Part]] = {}
    for part in purged:
        by_path.setdefault(part.path, []).append(part)
    for of_file in by_path.values():
        found, missing = source.facts(connection, Names(), of_file)
        if missing:
            return {}, purged, next(iter(missing.values()))
        for facts in found.values():
            add_worked(cells, archived_cells(facts, rules))
    return cells, purged, None
