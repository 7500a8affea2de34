"""The archive of a store, by its URL."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

from timestrata.archive.places import missing, place_of
from timestrata.archive.rows import Row
from timestrata.archive.streams import Checksum
from timestrata.calendar import day_date
from timestrata.errors import ArchiveDamaged, ArchiveMismatch, ArchiveUnavailable

if TYPE_CHECKING:
    from timestrata.archive.writer import Writer

_COMPLETIONS = "completions"
_CLAIM = "archive.json"
_FORMAT = 1
_CHUNK = 1 << 20


def path_of(day: int, file_id: str) -> str:
    """Return the path of a file of the month of a day; readers take the folder's name for a column.

    >>> path_of(19_844, "f1")
    'completions/month=2024-05/f1.parquet'
    """
    return f"{_COMPLETIONS}/month={day_date(day).isoformat()[:7]}/{file_id}.parquet"


class Archive:
    """The archive in a folder, or at an fsspec URL such as s3://bucket/folder. Nothing is touched before it is used.

    Paths are below its root. What cannot be read or written raises ArchiveUnavailable, a package that is missing
    InvalidRequest.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._place = place_of(url)

    def claim(self, store_id: str, *, in_use: bool = False) -> None:
        """Make the archive a store's, when it is nobody's yet. Raises ArchiveMismatch when it is another store's.

        One that is `in_use` is not made anew: a disk that is not mounted looks like an empty folder.
        """
        if not self._place.exists(_CLAIM):
            if in_use:
                raise ArchiveUnavailable(self.url, f"its {_CLAIM} is not there; is the disk mounted, the bucket right?")
            with self._place.create(_CLAIM) as output:
                output.write(json.dumps({"format": _FORMAT, "store": store_id}).encode() + b"\n")
        with self._place.open(_CLAIM) as file:
            found = file.read()
        try:
            version, owner = json.loads(found)["format"], json.loads(found)["store"]
        except (ValueError, TypeError, KeyError) as error:
            raise ArchiveDamaged(_CLAIM, f"it does not say whose archive this is ({error})") from error
        if version != _FORMAT:
            raise ArchiveUnavailable(self.url, f"it has format {version}, which a newer Timestrata reads")
        if owner != store_id:
            raise ArchiveMismatch(self.url, str(owner), store_id)

    @contextmanager
    def writing(self, path: str) -> Iterator[Writer]:
        """Write a file, which is there when the block has ended; nothing of it is when the block raises."""
        try:
            from timestrata.archive.writer import Writer  # here, because the packages that it needs are an extra
        except ImportError as error:
            raise missing(error) from error
        with self._place.create(path) as output:
            writer = Writer(path, output)
            try:
                yield writer
                writer.finish()
            except BaseException:
                writer.give_up()
                raise

    def read(
        self, path: str, *, users: Collection[str] | None = None, days: tuple[int, int] | None = None
    ) -> Iterator[Row]:
        """Yield the rows of a file in its order: of all users and days, or of some (days: first and last, included).

        A row group is in memory at a time. Raises ArchiveDamaged when anything is not as it was written.
        """
        return (row for row, _ in self.read_digested(path, users=users, days=days))

    def read_digested(
        self, path: str, *, users: Collection[str] | None = None, days: tuple[int, int] | None = None
    ) -> Iterator[tuple[Row, bytes]]:
        """Yield what read() does, each row with its digest, which it was held against."""
        try:
            from timestrata.archive.reader import read_rows
        except ImportError as error:
            raise missing(error) from error
        with self._place.open(path) as file:
            yield from read_rows(path, file, users, days)

    def checksum(self, path: str) -> Checksum:
        """Return the size and the SHA-256 of a file as it is there now."""
        digest, size = sha256(), 0
        with self._place.open(path) as file:
            while data := file.read(_CHUNK):
                digest.update(data)
                size += len(data)
        return Checksum(size, digest.digest())

    def exists(self, path: str) -> bool:
        """Tell whether a file is there."""
        return self._place.exists(path)

    def remove(self, path: str) -> None:
        """Remove a file, and what is there of it when it was never finished; it need not be there."""
        self._place.remove(path)

    def paths(self) -> Iterator[str]:
        """Yield the paths of all files of completions that are there, unfinished ones too, in order."""
        return self._place.paths(_COMPLETIONS)
