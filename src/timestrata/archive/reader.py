"""Rows out of a file, none of them wrong or missing. Needs pyarrow."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from timestrata.archive import groups
from timestrata.archive.columns import KEYS, SCHEMA, rows_of
from timestrata.archive.groups import Group, Keys
from timestrata.archive.rows import Row, digest_of
from timestrata.archive.streams import Input
from timestrata.calendar import day_date
from timestrata.errors import ArchiveDamaged, ArchiveUnavailable


def read_rows(
    path: str, source: Input, users: Collection[str] | None, days: tuple[int, int] | None
) -> Iterator[tuple[Row, bytes]]:
    """Yield the rows of a file with their digests, in its order, of some users and days or of all.

    A row group is in memory at a time.

    Raises ArchiveDamaged.
    """
    try:
        file = pq.ParquetFile(source, page_checksum_verification=True)
        for place, group in enumerate(_groups(file)):
            if group.may_hold(users, days):
                yield from _rows(file, place, group, users, days)
    except ArchiveUnavailable:
        raise
    except Exception as error:  # a few wrong bytes make pyarrow raise nearly anything
        raise ArchiveDamaged(path, " ".join(str(error).split()) or type(error).__name__) from error


def _groups(file: Any) -> list[Group]:
    said = (file.metadata.metadata or {}).get(groups.KEY.encode())
    if said is None or not file.schema_arrow.equals(SCHEMA):
        raise ValueError("it is not a file of an archive, with its columns and its list of row groups")
    return groups.read(said.decode())


def _rows(
    file: Any, place: int, group: Group, users: Collection[str] | None, days: tuple[int, int] | None
) -> Iterator[tuple[Row, bytes]]:
    keys = _keys(file, place)
    if keys.group() != group:
        raise ValueError(f"users, days or digests of row group {place} are not those that were written")
    wanted = [
        number
        for number, (user, day) in enumerate(zip(keys.users, keys.days, strict=True))
        if (users is None or user in users) and (days is None or days[0] <= day <= days[1])
    ]
    if not wanted:
        return
    table = file.read_row_group(place)
    if len(wanted) < table.num_rows:
        table = table.take(pa.array(wanted))
    for number, row in zip(wanted, rows_of(table), strict=True):
        digest = row.pop("digest")
        if not digest == digest_of(row) == keys.digests[number]:
            day = day_date(keys.days[number]).isoformat()
            of = f"workflow {row['workflow_id']!r} of user {keys.users[number]!r} on {day}"
            raise ValueError(f"{of} is not as it was written")
        yield row, digest


def _keys(file: Any, place: int) -> Keys:
    users, days, digests = file.read_row_group(place, columns=KEYS).columns
    return Keys(users.to_pylist(), days.cast(pa.int32()).to_pylist(), digests.to_pylist())
