"""The archive's manifest: which files there are, whose days are in them, and what of it counts.

A file is known (WRITING) before it exists and until it is gone, so that nothing in the archive is ever a riddle; the
manifest, not the folder, says what the archive holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from timestrata import schema
from timestrata.archive import Archive, Row, Written, fact_of, unit_digest
from timestrata.calendar import day_date
from timestrata.dialects import Write, dialect_of
from timestrata.dimensions import Dimensions, Names
from timestrata.errors import ArchiveDamaged
from timestrata.measures import Filed, Labels
from timestrata.stored import Span, Unit

Digest = bytes
"""Its own name, because a file has `bytes`."""


class File(NamedTuple):
    """A file of the archive, its path below the archive's root."""

    file_id: str
    path: str
    state: int
    completions: int
    bytes: int
    digest: Digest | None
    created_at: int


class Part(NamedTuple):
    """The completions of a user and day in a file."""

    user_id: int
    day: int
    file_id: str
    path: str
    state: int
    completions: int
    digest: bytes

    @property
    def unit(self) -> Unit:
        """The user and day."""
        return self.user_id, self.day


class Archived(NamedTuple):
    """A completion that is read from the archive, with the ids of its names."""

    row: Row
    number: int
    filed: Filed
    labels: Labels


# ----------------------------------------------------------------------------------------------------------- reading


def files(connection: Connection, state: int = schema.KEPT) -> list[File]:
    """Return the files of a state, by path."""
    c = schema.archive_file.c
    rows = connection.execute(select(schema.archive_file).where(c.state == state).order_by(c.path))
    return [File(*row) for row in rows]


def parts(
    connection: Connection,
    span: Span | None = None,
    states: Sequence[int] = (schema.PURGED,),
    *,
    file_id: str | None = None,
) -> list[Part]:
    """Return parts of files by user, day and file: of some days, of one file, or all of them."""
    c, f = schema.archive_part.c, schema.archive_file.c
    rows = (
        select(c.user_id, c.day, c.file_id, f.path, c.state, c.completions, c.digest)
        .join(schema.archive_file, f.file_id == c.file_id)
        .where(c.state.in_(states))
        .order_by(c.user_id, c.day, c.file_id)
    )
    if span is not None:
        rows = rows.where(span.of(schema.archive_part))
    if file_id is not None:
        rows = rows.where(c.file_id == file_id)
    return [Part(*row) for row in connection.execute(rows)]


def archived(
    archive: Archive, connection: Connection, names: Names, wanted: Iterable[Part]
) -> Iterator[tuple[Part, list[Archived]]]:
    """Yield the completions of parts, read from the archive and held against the digest of each part.

    Raises ArchiveUnavailable, ArchiveDamaged.
    """
    dimensions = Dimensions()
    for path, group in groupby(sorted(wanted, key=lambda part: (part.path, part.unit)), key=lambda part: part.path):
        of_file = list(group)
        names.learn(connection, {part.user_id for part in of_file})
        users = {names.users[part.user_id]: part.user_id for part in of_file}
        days = min(part.day for part in of_file), max(part.day for part in of_file)
        rows: dict[Unit, list[tuple[Row, bytes]]] = {part.unit: [] for part in of_file}
        for row, digest in archive.read_digested(path, users=users.keys(), days=days):
            found = rows.get((users[row["user_id"]], row["day"]))
            if found is not None:
                found.append((row, digest))
        for part in of_file:
            yield part, _checked(connection, dimensions, part, names.users[part.user_id], rows[part.unit])


def _checked(
    connection: Connection, dimensions: Dimensions, part: Part, user: str, found: list[tuple[Row, bytes]]
) -> list[Archived]:
    found.sort(key=lambda pair: int(pair[0]["number"]))
    rows = [row for row, _ in found]
    if len(rows) != part.completions or unit_digest(digest for _, digest in found) != part.digest:
        day = day_date(part.day).isoformat()
        reason = f"{len(rows)} completions of user {user!r} on {day} that are not the {part.completions} archived ones"
        raise ArchiveDamaged(part.path, reason)
    facts = [fact_of(row) for row in rows]
    workflows = [fact.filed.workflow for fact in facts]
    dimensions.recall(connection, workflows)
    labels = dimensions.labels(workflows)
    return [Archived(row, *fact, each) for row, fact, each in zip(rows, facts, labels, strict=True)]


# ----------------------------------------------------------------------------------------------------------- writing


def put_file(connection: Connection, file_id: str, path: str, now: int) -> None:
    """Make a file known that is going to be written."""
    values = File(file_id, path, schema.WRITING, 0, 0, None, now)._asdict()
    connection.execute(insert(schema.archive_file).values(values))


def keep_file(
    connection: Connection, file_id: str, written: Written, state: int, units: Mapping[Unit, tuple[int, bytes]]
) -> bool:
    """Put a finished file and its parts (completions and digest by unit) into the manifest.

    Returns False, with nothing changed, when another run took it away or it was given up.
    """
    c = schema.archive_file.c
    done = {"completions": written.completions, "bytes": written.bytes, "digest": written.digest}
    here = and_(c.file_id == file_id, c.state == schema.WRITING, c.digest.is_(None))
    if connection.execute(update(schema.archive_file).where(here).values(state=schema.KEPT, **done)).rowcount != 1:
        return False
    rows = [(*unit, file_id, state, count, digest) for unit, (count, digest) in sorted(units.items())]
    dialect_of(connection).apply(connection, [Write("insert", schema.archive_part, rows)])
    return True


def set_state(connection: Connection, where: ColumnElement[bool], state: int) -> None:
    """Give the parts that a condition chooses another state."""
    connection.execute(update(schema.archive_part).where(where).values(state=state))


def retire(connection: Connection, file_id: str) -> None:
    """Mark a file that was kept as one that is to be removed."""
    c = schema.archive_file.c
    connection.execute(update(schema.archive_file).where(c.file_id == file_id).values(state=schema.WRITING))


def retired(connection: Connection) -> list[File]:
    """Return the files that are to be removed: their digest tells them from those that are being written."""
    return [file for file in files(connection, schema.WRITING) if file.digest is not None]


def give_up(connection: Connection, file_id: str) -> int | None:
    """Mark a file as one that is to be removed, unless it is kept; keep_file() refuses it from then on.

    Returns its state, None when nobody knows it any more.
    """
    c = schema.archive_file.c
    unfinished = and_(c.file_id == file_id, c.state == schema.WRITING)
    connection.execute(update(schema.archive_file).where(unfinished).values(digest=b""))
    state: int | None = connection.execute(select(c.state).where(c.file_id == file_id)).scalar()
    return state


def part_keys(file_id: str, units: Iterable[Unit]) -> list[tuple[Any, ...]]:
    """Return the primary keys of a file's parts."""
    return [(*unit, file_id) for unit in sorted(units)]


def take_unfinished(connection: Connection) -> list[File]:
    """Take over what other runs left half done; return the files that are to be removed.

    Parts that were exported and not purged no longer count, because their facts are in the tables and may change.
    A file without a part that counts is to be removed too: it is marked, so that it stays known until it is gone.
    """
    c, f = schema.archive_part.c, schema.archive_file.c
    set_state(connection, c.state == schema.EXPORTED, schema.VOID)
    counting = select(c.file_id).where(c.state != schema.VOID).distinct()
    lost = and_(f.state == schema.KEPT, f.file_id.not_in(counting))
    connection.execute(update(schema.archive_file).where(lost).values(state=schema.WRITING))
    return files(connection, schema.WRITING)


def forget_file(connection: Connection, file_id: str) -> None:
    """Take a file that is gone out of the manifest."""
    for table in (schema.archive_part, schema.archive_file):
        connection.execute(delete(table).where(table.c.file_id == file_id))


def sealed_days(connection: Connection) -> int:
    """Return how many days of users have purged facts."""
    return int(connection.execute(select(func.count()).select_from(schema.day_seal)).scalar_one())
