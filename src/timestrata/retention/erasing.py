"""The removal of a person: every row of the store, and every row of the archive.

Files of the archive that hold other people too are written anew without the person, verified, and exchanged in the
manifest before the old ones are removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, and_, delete, or_, select, update

from timestrata import manifest, schema
from timestrata.archive import Archive, Row, Written, path_of, unit_digest
from timestrata.calendar import instant
from timestrata.dialects import Write
from timestrata.dimensions import Names
from timestrata.errors import ArchiveDamaged, RetentionOvertaken, UnknownUser
from timestrata.ingest import Context
from timestrata.retention.sealing import abandoning
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
    """Remove a person from the archive, then from the store. Raises UnknownUser.

    Raises ArchiveDamaged or ArchiveUnavailable, with everything as it was, when a file that others have facts in too
    cannot be written anew: half of a person can be neither proved nor brought back.
    """
    number = transactions.read(lambda own: _number(own, user_id))
    if number is None:
        raise UnknownUser(user_id)
    files = transactions.read(lambda own: _files_of(own, number))
    rewritings = [_Rewriting(transactions, archive(), file, number, user_id) for file in files]
    for rewriting in rewritings:
        rewriting.check()
    archived = rewritten = 0
    for rewriting in rewritings:
        archived += rewriting.run(instant(clock()))
        rewritten += rewriting.kept
    rows = transactions.write([], lambda own: _erase_rows(own, number, user_id))
    return Erasure(user_id, rows, archived, rewritten, len(files) - rewritten)


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
        self._transactions = transactions
        self._archive = archive
        self._file = file
        self._number = number
        self._user_id = user_id
        self.kept = False
        """Whether anything is left."""

    def check(self) -> None:
        """Raise ArchiveDamaged or ArchiveUnavailable when the file is needed and not as it was written."""
        if any(part.user_id != self._number for part in self._parts()):
            found, file = self._archive.checksum(self._file.path), self._file
            if (found.bytes, found.digest) != (file.bytes, file.digest):
                raise ArchiveDamaged(file.path, f"{found.bytes} bytes are not the {file.bytes} that were written")

    def _parts(self) -> list[manifest.Part]:
        return self._transactions.read(
            lambda own: manifest.parts(own, states=(schema.EXPORTED, schema.PURGED), file_id=self._file.file_id)
        )

    def run(self, now: int) -> int:
        """Exchange the file; return how many completions of the person were in it."""
        parts = self._parts()
        others = {part.unit: part for part in parts if part.user_id != self._number}
        mine = sum(part.completions for part in parts if part.user_id == self._number)
        self.kept = bool(others)
        if others:
            self._rewrite(others, now)
        self._transactions.write([], lambda own: self._retire(own.connection))
        self._archive.remove(self._file.path)
        self._transactions.write([], lambda own: manifest.forget_file(own.connection, self._file.file_id))
        return mine

    def _rewrite(self, others: dict[Unit, manifest.Part], now: int) -> None:
        file_id = uuid4().hex
        path = path_of(min(unit[1] for unit in others), file_id)
        self._transactions.write([], lambda own: manifest.put_file(own.connection, file_id, path, now))
        names = Names()
        self._transactions.read(lambda own: names.learn(own, {unit[0] for unit in others}))
        users = {name: number for number, name in names.users.items()}
        with abandoning(self._transactions, self._archive, file_id, path):
            with self._archive.writing(path) as writer:
                for batch in _batches(self._counting(users, others)):
                    writer.add(batch)
            units: dict[Unit, tuple[int, bytes]] = {}
            rows = self._archive.read_digested(path)
            for unit, group in groupby(rows, key=lambda pair: (users[pair[0]["user_id"]], pair[0]["day"])):
                digests = [digest for _, digest in group]
                units[unit] = len(digests), unit_digest(digests)
            if units != {unit: (part.completions, part.digest) for unit, part in others.items()}:
                raise ArchiveDamaged(path, "the rows of others are not those that were archived")
            written = writer.written
            self._transactions.write([], lambda own: self._exchange(own, file_id, written, others))

    def _counting(self, users: dict[str, int], others: dict[Unit, manifest.Part]) -> Iterator[Row]:
        for row in self._archive.read(self._file.path):
            if (users.get(row["user_id"], self._number), row["day"]) in others:
                yield row

    def _exchange(self, context: Context, file_id: str, written: Written, others: dict[Unit, manifest.Part]) -> None:
        """Put the parts of the others under the new file; nobody may have opened one of their days meanwhile."""
        by_state: dict[int, dict[Unit, tuple[int, bytes]]] = {}
        for unit, part in others.items():
            by_state.setdefault(part.state, {})[unit] = part.completions, part.digest
        c = schema.archive_part.c
        old = and_(c.file_id == self._file.file_id, c.user_id != self._number, c.state != schema.VOID)
        if context.connection.execute(delete(schema.archive_part).where(old)).rowcount != len(others):
            raise RetentionOvertaken(self._file.path)
        for place, (state, units) in enumerate(sorted(by_state.items())):
            if place == 0:
                if not manifest.keep_file(context.connection, file_id, written, state, units):
                    raise RetentionOvertaken(self._file.path)
            else:
                rows = [(*unit, file_id, state, *found) for unit, found in sorted(units.items())]
                context.dialect.apply(context.connection, [Write("insert", schema.archive_part, rows)])

    def _retire(self, connection: Connection) -> None:
        c = schema.archive_file.c
        here = c.file_id == self._file.file_id
        connection.execute(update(schema.archive_file).where(here).values(state=schema.WRITING))


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
