"""The removal of a person: every row of the store, and every row of the archive.

Files of the archive that hold other people too are written anew without the person and verified. Then one transaction
erases the rows of the store and exchanges the files in the manifest; the old files are removed after it. Broken off
before, nothing has changed; broken off after, the next erasure or run of retention removes the old files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, and_, delete, or_, select

from timestrata import manifest, schema
from timestrata.archive import Archive, Row, Written, path_of, unit_digest
from timestrata.calendar import instant
from timestrata.dialects import StaleNames, Write
from timestrata.dimensions import Names
from timestrata.errors import ArchiveDamaged, RetentionOvertaken, UnknownUser
from timestrata.ingest import Context
from timestrata.retention.unfinished import abandoning, remove_retired
from timestrata.stored import Unit
from timestrata.tracking.rules import Transactions

_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was removed of a person."""

    user_id: str
    rows: dict[str, int]
    """By table, without its prefix; tables that held nothing are left out."""
    archived: int
    """Completions in the archive."""
    files_rewritten: int
    files_removed: int


def erase(
    transactions: Transactions,
    archive: Callable[[], Archive],
    user_id: str,
    clock: Callable[[], datetime],
) -> Erasure:
    """Remove a person from the archive and from the store. Raises UnknownUser.

    Raises ArchiveDamaged or ArchiveUnavailable, with everything as it was, when a file that others have facts in too
    cannot be written anew: half of a person can be neither proved nor brought back. Raises RetentionOvertaken, with
    everything as it was, when a run of retention changed one of the files meanwhile. ArchiveUnavailable is raised too
    when she is erased and an old file of hers could not be removed: it is, by the next call or run of retention.
    """
    remove_retired(transactions, archive)
    number = transactions.read(lambda own: _number(own, user_id))
    if number is None:
        raise UnknownUser(user_id)
    files = transactions.read(lambda own: _files_of(own, number))
    rewritings = [_Rewriting(transactions, archive(), file, number, user_id) for file in files]
    for rewriting in rewritings:
        rewriting.check()
    with ExitStack() as unless_entered:
        for rewriting in rewritings:
            rewriting.write(instant(clock()), unless_entered)
        try:
            rows = transactions.write([], lambda own: _exchange(own, number, user_id, rewritings))
        except StaleNames as error:  # another erasure was faster
            if transactions.read(lambda own: _number(own, user_id)) is None:
                raise UnknownUser(user_id) from error
            raise RetentionOvertaken(rewritings[0].file.path) from error
    remove_retired(transactions, archive)
    rewritten = sum(rewriting.is_kept for rewriting in rewritings)
    archived = sum(rewriting.erased for rewriting in rewritings)
    return Erasure(user_id, rows, archived, rewritten, len(files) - rewritten)


def _exchange(context: Context, number: int, user_id: str, rewritings: Sequence[_Rewriting]) -> dict[str, int]:
    """Erase a person from the store, and from the manifest with her files; return rows by table."""
    # All who have facts in her files: a run that purges them, or a correction, comes before this or sees what it did.
    users = {number}.union(*(rewriting.users for rewriting in rewritings))
    context.dialect.lock(context.connection, sorted(users), [])
    known = {rewriting.file.file_id for rewriting in rewritings}
    for file in _files_of(context.connection, number):
        if file.file_id not in known:  # written meanwhile
            raise RetentionOvertaken(file.path)
    for rewriting in rewritings:
        rewriting.exchange(context)
    return _erase_rows(context, number, user_id)


def _number(connection: Connection, user_id: str) -> int | None:
    c = schema.user.c
    found: int | None = connection.execute(select(c.user_id).where(c.name == user_id)).scalar()
    return found


def _files_of(connection: Connection, number: int) -> list[manifest.File]:
    c = schema.archive_part.c
    mine = set(connection.execute(select(c.file_id).where(c.user_id == number).distinct()).scalars())
    return [file for file in manifest.files(connection) if file.file_id in mine]


class _Rewriting:
    """One file of the archive, written anew without a person and without what no longer counts."""

    def __init__(
        self, transactions: Transactions, archive: Archive, file: manifest.File, number: int, user_id: str
    ) -> None:
        self.file = file
        self.erased = 0
        """Completions of the person in it."""
        self._transactions = transactions
        self._archive = archive
        self._number = number
        self._user_id = user_id
        self._parts: list[manifest.Part] = []
        self._others: dict[Unit, manifest.Part] = {}
        self._file_id = uuid4().hex
        self._written: Written | None = None

    @property
    def users(self) -> set[int]:
        """Whose facts in it count."""
        return {part.user_id for part in self._parts}

    @property
    def is_kept(self) -> bool:
        """Whether anything is left."""
        return bool(self._others)

    def check(self) -> None:
        """Raise ArchiveDamaged or ArchiveUnavailable when the file is needed and not as it was written."""
        if any(part.user_id != self._number for part in self._transactions.read(self._counted)):
            found, file = self._archive.checksum(self.file.path), self.file
            if (found.bytes, found.digest) != (file.bytes, file.digest):
                raise ArchiveDamaged(file.path, f"{found.bytes} bytes are not the {file.bytes} that were written")

    def _counted(self, connection: Connection) -> list[manifest.Part]:
        return manifest.parts(connection, states=(schema.EXPORTED, schema.PURGED), file_id=self.file.file_id)

    def write(self, now: int, unless_entered: ExitStack) -> None:
        """Write the file anew, to be removed at the end of a block that fails before exchange() is committed."""
        self._parts = self._transactions.read(self._counted)
        self._others = {part.unit: part for part in self._parts if part.user_id != self._number}
        self.erased = sum(part.completions for part in self._parts if part.user_id == self._number)
        if self._others:
            path = path_of(min(unit[1] for unit in self._others), self._file_id)
            self._transactions.write([], lambda own: manifest.put_file(own.connection, self._file_id, path, now))
            unless_entered.enter_context(abandoning(self._transactions, self._archive, self._file_id, path))
            self._written = self._rewritten(path)

    def _rewritten(self, path: str) -> Written:
        names = Names()
        self._transactions.read(lambda own: names.learn(own, {unit[0] for unit in self._others}))
        users = {name: number for number, name in names.users.items()}
        with self._archive.writing(path) as writer:
            for batch in _batches(self._counting(users)):
                writer.add(batch)
        units: dict[Unit, tuple[int, bytes]] = {}
        rows = self._archive.read_digested(path)
        for unit, group in groupby(rows, key=lambda pair: (users[pair[0]["user_id"]], pair[0]["day"])):
            digests = [digest for _, digest in group]
            units[unit] = len(digests), unit_digest(digests)
        if units != {unit: (part.completions, part.digest) for unit, part in self._others.items()}:
            raise ArchiveDamaged(path, "the rows of others are not those that were archived")
        return writer.written

    def _counting(self, users: dict[str, int]) -> Iterator[Row]:
        for row in self._archive.read(self.file.path):
            if (users.get(row["user_id"], self._number), row["day"]) in self._others:
                yield row

    def exchange(self, context: Context) -> None:
        """Put the parts of the others under the new file; nobody may have purged or opened one of them meanwhile."""
        connection = context.connection
        if self._counted(connection) != self._parts:
            raise RetentionOvertaken(self.file.path)
        c = schema.archive_part.c
        old = and_(c.file_id == self.file.file_id, c.user_id != self._number, c.state != schema.VOID)
        connection.execute(delete(schema.archive_part).where(old))
        manifest.retire(connection, self.file.file_id)
        if self._written is None:
            return
        by_state: dict[int, dict[Unit, tuple[int, bytes]]] = {}
        for unit, part in self._others.items():
            by_state.setdefault(part.state, {})[unit] = part.completions, part.digest
        for place, (state, units) in enumerate(sorted(by_state.items())):
            if place == 0:
                if not manifest.keep_file(connection, self._file_id, self._written, state, units):
                    raise RetentionOvertaken(self.file.path)
            else:
                rows = [(*unit, self._file_id, state, *found) for unit, found in sorted(units.items())]
                context.dialect.apply(connection, [Write("insert", schema.archive_part, rows)])


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _erase_rows(context: Context, number: int, user_id: str) -> dict[str, int]:
    connection = context.connection
    states, _ = context.dialect.lock(connection, [number], [])
    removed: dict[str, int] = {}
    for table in schema.metadata.sorted_tables:
        if "user_id" in table.c and table is not schema.user and table is not schema.user_state:
            removed[table.name] = connection.execute(delete(table).where(table.c.user_id == number)).rowcount
    tokens = schema.token.c
    mine = select(tokens.token_id).where(tokens.for_user == user_id)
    owned = or_(schema.request.c.owner.in_(mine), schema.request.c.owner == user_id)
    removed["ts_request"] = connection.execute(delete(schema.request).where(owned)).rowcount
    removed["ts_token"] = connection.execute(delete(schema.token).where(tokens.for_user == user_id)).rowcount
    for table in (schema.user_state, schema.user):
        removed[table.name] = connection.execute(delete(table).where(table.c.user_id == number)).rowcount
    if number in states:
        rows: list[Any] = [(schema.EVERYONE, states[number].seq + 1, None, None)]
        context.dialect.apply(connection, [Write("merge", schema.user_state, rows)])
    return {name.removeprefix("ts_"): count for name, count in removed.items() if count}
