"""Where files are: a folder of this machine, or any file system that fsspec knows.

A file has its name only when it is complete, and on this machine when it is on the disk too: readers never see half a
file. Whatever cannot be done raises ArchiveUnavailable.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Protocol

from timestrata.archive.streams import Input, Output, reported
from timestrata.errors import InvalidRequest


class Place(Protocol):
    """Files by their path below a root."""

    def create(self, path: str) -> AbstractContextManager[Output]:
        """Write a file that is there when the block has ended; nothing of it is when the block raises."""

    def open(self, path: str) -> Input:
        """Open a file."""

    def exists(self, path: str) -> bool:
        """Tell whether a file is there."""

    def remove(self, path: str) -> None:
        """Remove a file, and what an interrupted create() left of it; it need not be there."""

    def paths(self, folder: str) -> Iterator[str]:
        """Yield the paths of all files below a folder, also of unfinished ones, in order."""


def place_of(url: str) -> Place:
    """Return the place that a folder or an fsspec URL names. Nothing is touched."""
    if "://" not in url or url.startswith("file://"):
        return Folder(Path(url.removeprefix("file://")).expanduser())
    return FileSystem(url)


class Folder:
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def create(self, path: str) -> Iterator[Output]:
        """Write a file beside its place, and move it there when it is on the disk."""
        target = self._root / path
        unfinished = _unfinished(target)
        try:
            with self._reported(path):
                target.parent.mkdir(parents=True, exist_ok=True)
                file = unfinished.open("wb")
            try:
                yield Output(file, path, str(self._root))
                with self._reported(path):
                    file.flush()
                    os.fsync(file.fileno())
            finally:
                with suppress(OSError):  # of what could not be written, which was reported
                    file.close()
            with self._reported(path):
                unfinished.replace(target)
                self._keep_names(target.parent)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise

    def _keep_names(self, folder: Path) -> None:
        """Put the names in a folder, and its own, on the disk too."""
        if os.name != "posix":  # elsewhere a folder cannot be opened
            return
        for each in (folder, *folder.parents):
            number = os.open(each, os.O_RDONLY)
            try:
                os.fsync(number)
            finally:
                os.close(number)
            if each == self._root:
                break

    def open(self, path: str) -> Input:
        """Open a file."""
        with self._reported(path):
            return Input((self._root / path).open("rb"), path, str(self._root))

    def exists(self, path: str) -> bool:
        """Tell whether a file is there."""
        where = self._root / path
        with self._reported(path):
            try:
                where.stat()
            except FileNotFoundError:
                return False
            return True

    def remove(self, path: str) -> None:
        """Remove a file, and what an interrupted create() left of it; it need not be there."""
        where = self._root / path
        with self._reported(path):
            _unfinished(where).unlink(missing_ok=True)
            where.unlink(missing_ok=True)

    def paths(self, folder: str) -> Iterator[str]:
        """Yield the paths of all files below a folder, also of unfinished ones, in order."""
        with self._reported(folder):
            found = sorted(where for where in (self._root / folder).rglob("*") if not where.is_dir())
        for where in found:
            yield where.relative_to(self._root).as_posix()

    def _reported(self, path: str) -> AbstractContextManager[None]:
        return reported(path, str(self._root))


def _unfinished(target: Path) -> Path:
    # Known from the path, so that it can be removed after a crash; and no reader's pattern takes it for a file.
    return target.with_name(f".{target.name}.tmp")


def finished(path: str) -> str:
    """Return the path that a file will have when it is finished."""
    folder, separator, name = path.rpartition("/")
    if name.startswith(".") and name.endswith(".tmp"):
        name = name.removeprefix(".").removesuffix(".tmp")
    return folder + separator + name


_WITHOUT_FOLDERS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oci", "oss"})


def _has_folders(system: Any) -> bool:
    # To make one in an object store is to make the bucket, if only its name was mistyped.
    protocols = (system.protocol,) if isinstance(system.protocol, str) else system.protocol
    return _WITHOUT_FOLDERS.isdisjoint(protocols)


class FileSystem:
    """A file system that fsspec knows, an object store above all."""

    def __init__(self, url: str) -> None:
        self._url = url

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """The file system, and the path of the root in it."""
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise missing(error) from error
        try:
            # Without its cache of listings, because other processes write here too.
            system, root = url_to_fs(self._url, use_listings_cache=False)
        except (ImportError, ValueError) as error:  # a package that is not installed, a protocol that nobody knows
            wanted = "a folder, or a URL of a kind that fsspec knows and has its package for"
            raise InvalidRequest("archive", self._url, f"{wanted} ({error})") from error
        return system, root.rstrip("/")

    def _at(self, path: str) -> tuple[Any, str]:
        """Return the file system, and a path in it."""
        system, root = self._opened
        return system, f"{root}/{path}"

    def _reported(self, path: str) -> AbstractContextManager[None]:
        return reported(path, self._url)

    @contextmanager
    def create(self, path: str) -> Iterator[Output]:
        """Write a file on this machine, and put it in its place when it is complete."""
        with self._reported(path):
            system, target = self._at(path)
            file = NamedTemporaryFile(prefix="timestrata-", suffix=".tmp")  # noqa: SIM115
        with file:
            yield Output(file, path, self._url)
            with self._reported(path):
                file.flush()
                if _has_folders(system):
                    system.makedirs(target.rpartition("/")[0], exist_ok=True)
                try:
                    system.put_file(file.name, target)
                except BaseException:
                    with suppress(Exception):  # an object is there as a whole or not at all, but not every file
                        system.rm_file(target)
                    raise

    def open(self, path: str) -> Input:
        """Open a file."""
        with self._reported(path):
            system, target = self._at(path)
            return Input(system.open(target, "rb"), path, self._url)

    def exists(self, path: str) -> bool:
        """Tell whether a file is there."""
        with self._reported(path):
            system, target = self._at(path)
            try:
                system.info(target)
            except FileNotFoundError:
                return False
            return True

    def remove(self, path: str) -> None:
        """Remove a file; it need not be there."""
        with self._reported(path):
            system, target = self._at(path)
            with suppress(FileNotFoundError):
                system.rm_file(target)

    def paths(self, folder: str) -> Iterator[str]:
        """Yield the paths of all files below a folder, in order."""
        with self._reported(folder):
            system, target = self._at(folder)
            found = sorted(system.find(target))
        for path in found:
            yield f"{folder}/{path.rpartition(f'/{folder}/')[2]}"


def missing(error: ImportError) -> InvalidRequest:
    """Return what is raised when a package of the extra is not installed."""
    wanted = "the packages of the archive: pip install 'timestrata[archive]'"
    return InvalidRequest("archive", f"no package {error.name}", wanted)
