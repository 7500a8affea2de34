"""A file being written or read: bytes through a file system whose every trouble is reported as one error."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import IO, Any, NamedTuple

from timestrata.errors import ArchiveUnavailable, TimestrataError


class Checksum(NamedTuple):
    """The size of a file and the SHA-256 of its bytes."""

    bytes: int
    digest: builtins.bytes


class Written(NamedTuple):
    """A finished file: its path below the root, rows, bytes, and the SHA-256 of the bytes."""

    path: str
    completions: int
    bytes: int
    digest: builtins.bytes


@contextmanager
def reported(path: str, root: str) -> Iterator[None]:
    """Raise whatever goes wrong with a path of the archive at `root` as ArchiveUnavailable."""
    try:
        yield
    except TimestrataError:
        raise
    except Exception as error:  # not OSError alone: the packages of object stores have errors of their own
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        if isinstance(error, FileNotFoundError) and not error.strerror:  # it says the name and nothing else
            reason = f"not found: {reason}"
        raise ArchiveUnavailable(path, f"{' '.join(reason.split())} (in {root})") from error


class Output:
    """A file that is being written, with the size and the SHA-256 of what went into it."""

    closed = False

    def __init__(self, file: IO[bytes], path: str, root: str) -> None:
        self._file = file
        self._where = path, root
        self._digest = sha256()
        self.size = 0

    def write(self, data: Any) -> int:
        """Write bytes, or anything that holds bytes."""
        view = memoryview(data)
        with reported(*self._where):
            self._file.write(view)
        self._digest.update(view)
        self.size += view.nbytes
        return view.nbytes

    def digest(self) -> bytes:
        """Return the SHA-256 of what was written."""
        return self._digest.digest()

    def flush(self) -> None:
        """Do nothing: who opened the file sees to it."""

    def close(self) -> None:
        """Do nothing else than say so: who opened the file closes it."""
        self.closed = True

    def readable(self) -> bool:
        """Tell that it cannot be read."""
        return False

    def writable(self) -> bool:
        """Tell that it can be written."""
        return True

    def seekable(self) -> bool:
        """Tell that it is written from its start to its end."""
        return False


class Input:
    """A file that is being read."""

    def __init__(self, file: IO[bytes], path: str, root: str) -> None:
        self._file = file
        self._where = path, root

    @property
    def closed(self) -> bool:
        """True when it was closed."""
        return self._file.closed

    def read(self, size: int = -1) -> bytes:
        """Return that many bytes or, at the end, fewer; all that are left without a size."""
        with reported(*self._where):
            return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place in the file."""
        with reported(*self._where):
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place in the file."""
        return self._file.tell()

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def writable(self) -> bool:
        """Tell that it cannot be written."""
        return False

    def seekable(self) -> bool:
        """Tell that any place of it can be gone to."""
        return True

    def close(self) -> None:
        """Close it."""
        with reported(*self._where):
            self._file.close()

    def __enter__(self) -> Input:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
