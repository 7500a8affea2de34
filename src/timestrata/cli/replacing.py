"""Files that are written beside their place and put there when they are whole."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from timestrata.errors import InvalidRequest


@contextmanager
def replacing(option: str, path: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of `path` when the block ends well; else `path` stays as it is.

    What is no file to replace (a pipe, /dev/null) is written to as it is. Raises InvalidRequest, naming `option`,
    when it cannot be written.
    """
    place = Path(os.path.realpath(path))  # the file a link points to is replaced, not the link
    try:
        if place.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        special = place.exists() and not place.is_file()
        target = place if special else place.with_name(f".{place.name[:200]}.{secrets.token_hex(4)}")
        stream = target.open("wb" if special else "xb")
    except OSError as error:
        raise InvalidRequest(option, str(path), f"a file that can be written ({error.strerror})") from error
    try:
        with stream:
            yield stream
            stream.flush()
            if not special:
                os.fsync(stream.fileno())
        if not special:
            target.replace(place)
    except BaseException:
        if not special:
            with suppress(OSError):
                target.unlink()
        raise
