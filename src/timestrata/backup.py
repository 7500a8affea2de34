"""A consistent copy of a store that is in use, and the way back.

SQLite is copied through its own backup interface, in one snapshot, while others read and write. The copy holds
everything but the files of the archive: the list of those that it needs stands beside it. PostgreSQL has pg_dump.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import exc, make_url

from timestrata import schema
from timestrata.audit import Verification
from timestrata.errors import BackupRefused, InvalidRequest
from timestrata.history import History, open_history
from timestrata.retention import RetentionPolicy

MANIFEST_SUFFIX = ".archive.json"
_PAGES = 1000

Progress = Callable[[int, int], None]
"""Told the pages copied and all pages."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy that was made."""

    path: str
    bytes: int
    manifest: str
    """A JSON file: the archive's URL, and the path, bytes and SHA-256 of each file of it that the copy rests on."""
    archive_files: int
    archive_bytes: int


@dataclass(frozen=True, slots=True)
class RestoredBackup:
    """A copy that was put in place, and whether all of it is well."""

    path: str
    bytes: int
    verification: Verification


def backup(history: History, target: Path, progress: Progress | None = None) -> Backup:
    """Copy a SQLite store, which may be in use, to a new file, with the manifest of its archive beside it.

    The copy is one snapshot: what is committed while it is made is in it as a whole or not at all. The target appears
    when it is complete and flushed. Raises BackupRefused when the target is there already, or the store is no file;
    OSError when it cannot be written.
    """
    source = sqlite_file(history)
    manifest = target.with_name(target.name + MANIFEST_SUFFIX)
    for place in (target, manifest):
        _require_absent(place, "take another name, or move it away")
    with _unfinished(target) as unfinished:
        _copy(source, unfinished, progress)
        listed = _archive_files(unfinished)
        document = {
            "format": 1,
            "archive": history.retention.archive_url,
            "files": [{"path": path, "bytes": size, "sha256": digest} for path, size, digest in listed],
        }
        _put(manifest, json.dumps(document, indent=1).encode() + b"\n")
        try:
            _name(unfinished, target)
        except BaseException:
            with suppress(OSError):
                manifest.unlink()
            raise
    return Backup(str(target), target.stat().st_size, str(manifest), len(listed), sum(size for _, size, _ in listed))


def restore(
    copy: Path, url: str, *, retention: RetentionPolicy | None = None, progress: Progress | None = None
) -> RestoredBackup:
    """Put a copy in the place of a SQLite store that is not there, and verify it.

    The copy stays as it is. Raises BackupRefused when there is a store already, or the copy is none; what
    open_history() raises, when it is of a newer Timestrata.
    """
    target = _target_file(url)
    for place in (target, *_companions(target)):
        _require_absent(place, "move the store that is there away first")
    _require_backup(copy)
    with _unfinished(target) as unfinished:
        _copy(copy, unfinished, progress)
        _name(unfinished, target)
    with open_history(url, retention=retention) as history:
        verification = history.audit.verify()
    return RestoredBackup(str(target), target.stat().st_size, verification)


def sqlite_file(history: History) -> Path:
    """Return the file of a store. Raises BackupRefused when it is none."""
    engine = history.engine
    if engine.url.get_backend_name() != "sqlite":
        raise BackupRefused(engine.url.render_as_string(), PG_DUMP)
    return _file_of(engine.url.database, engine.url.render_as_string())


PG_DUMP = "a PostgreSQL store is copied with `pg_dump --format=custom --file=FILE URL`, and `pg_restore` puts it back"


def _target_file(url: str) -> Path:
    try:
        parsed = make_url(url)
    except exc.ArgumentError as error:
        raise InvalidRequest("database", url, "sqlite:///FILE") from error
    if parsed.get_backend_name() != "sqlite":
        raise BackupRefused(parsed.render_as_string(), PG_DUMP)
    return _file_of(parsed.database, parsed.render_as_string())


def _file_of(name: str | None, url: str) -> Path:
    if not name or name == ":memory:" or name.startswith("file:"):
        raise BackupRefused(url, "it is no file")
    return Path(name)


def _require_absent(path: Path, advice: str) -> None:
    if os.path.lexists(path):
        raise BackupRefused(str(path), f"it is there already: {advice}")


def _companions(target: Path) -> list[Path]:
    """Return the files that SQLite keeps beside a file while it is in use: left ones belong to another store."""
    return [target.with_name(target.name + suffix) for suffix in ("-wal", "-shm", "-journal")]


def _require_backup(copy: Path) -> None:
    if not copy.is_file():
        raise BackupRefused(str(copy), "there is no such file")
    try:
        with closing(sqlite3.connect(_read_only(copy), uri=True)) as connection:
            named = "SELECT 1 FROM sqlite_master WHERE name = ?"
            found = connection.execute(named, (schema.setting.name,)).fetchone()
    except sqlite3.DatabaseError as error:
        raise BackupRefused(str(copy), f"it cannot be read as a SQLite file ({error})") from error
    if found is None:
        raise BackupRefused(str(copy), "it is no Timestrata store")


def _read_only(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"


def _copy(source: Path, target: Path, progress: Progress | None) -> None:
    """Copy a SQLite file in one snapshot. Raises BackupRefused."""

    def tell(_status: int, remaining: int, total: int) -> None:
        if progress is not None:
            progress(total - remaining, total)

    try:
        with (
            closing(sqlite3.connect(_read_only(source), uri=True, isolation_level=None)) as reader,
            closing(sqlite3.connect(target, isolation_level=None)) as writer,
        ):
            # The snapshot of this transaction: without it every commit of somebody else starts the copy anew.
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
            reader.backup(writer, pages=_PAGES, progress=tell, sleep=0)
            reader.execute("ROLLBACK")
            # One file that needs no other beside it; whoever opens it as a store switches it again.
            writer.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.DatabaseError as error:
        raise BackupRefused(str(source), f"it cannot be copied ({error})") from error
    _flush(target)


def _archive_files(copy: Path) -> list[tuple[str, int, str]]:
    """Return (path, bytes, SHA-256) of the files of the archive that a copy rests on."""
    files = f"SELECT path, bytes, lower(hex(digest)) FROM {schema.archive_file.name} WHERE state = ? ORDER BY path"
    with closing(sqlite3.connect(copy)) as connection:
        return connection.execute(files, (schema.KEPT,)).fetchall()


@contextmanager
def _unfinished(target: Path) -> Iterator[Path]:
    """Lend a name beside the target for what is not complete; nothing of it is left."""
    place = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}")
    try:
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # it is about people
    except OSError as error:  # nobody knows this name
        raise OSError(error.errno, error.strerror, str(target.parent)) from error
    try:
        yield place
    finally:
        for each in (place, *_companions(place)):
            with suppress(OSError):
                each.unlink()


def _name(unfinished: Path, target: Path) -> None:
    """Give a complete file its name, which nobody may have taken meanwhile."""
    try:
        os.link(unfinished, target)
    except FileExistsError as error:
        raise BackupRefused(str(target), "it is there already: take another name, or move it away") from error
    except OSError:  # a file system without links
        _require_absent(target, "take another name, or move it away")
        unfinished.rename(target)
    _flush(target.parent)


def _put(path: Path, data: bytes) -> None:
    with path.open("xb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())


def _flush(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
