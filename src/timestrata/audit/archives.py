"""The archive as an audit reads it: what cannot be read is a finding and no end of the audit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from sqlalchemy import Connection

from timestrata.archive import Archive
from timestrata.dimensions import Names
from timestrata.errors import (
    ArchiveDamaged,
    ArchiveMismatch,
    ArchiveUnavailable,
    InvalidFact,
    InvalidRequest,
    TimestrataError,
)
from timestrata.manifest import Archived, Part, archived
from timestrata.stored import Unit

UNREADABLE = (ArchiveUnavailable, ArchiveDamaged, ArchiveMismatch, InvalidRequest, InvalidFact)
_ALONE = 20  # parts of a damaged file that are looked for one by one: each reads the file anew


class Source:
    """The archive of a store, or why there is none."""

    def __init__(self, archive: Callable[[], Archive | None]) -> None:
        self.archive: Archive | None = None
        self._error: TimestrataError = ArchiveUnavailable("archive", "no archive is configured (TIMESTRATA_ARCHIVE)")
        try:
            self.archive = archive()
        except UNREADABLE as error:
            self._error = error

    def opened(self) -> Archive:
        """Return the archive. Raises what UNREADABLE holds."""
        if self.archive is None:
            raise self._error
        return self.archive

    def facts(
        self, connection: Connection, names: Names, parts: Sequence[Part]
    ) -> tuple[dict[Unit, list[Archived]], dict[Unit, str]]:
        """Return the archived completions of the (user, day)s of parts, and why those of others cannot be had.

        `parts` are all the purged ones of these (user, day)s.
        """
        found: dict[Unit, list[Archived]] = {part.unit: [] for part in parts}
        missing: dict[Unit, str] = {}
        if self.archive is None:
            return {}, dict.fromkeys(found, str(self._error))

        def read(some: Sequence[Part]) -> None:
            rows = list(archived(self.opened(), connection, names, some))
            for part, facts in rows:
                found[part.unit].extend(facts)

        for _, group in groupby(sorted(parts, key=lambda part: part.path), key=lambda part: part.path):
            of_file = list(group)
            try:
                read(of_file)
            except UNREADABLE as error:
                for place, part in enumerate(of_file):
                    reason = str(error)
                    if place < _ALONE and len(of_file) > 1:
                        try:
                            read([part])
                            continue
                        except UNREADABLE as own:
                            reason = str(own)
                    missing[part.unit] = reason
        return {unit: facts for unit, facts in found.items() if unit not in missing}, missing
