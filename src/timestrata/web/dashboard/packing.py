"""Files as they are sent to browsers."""

from __future__ import annotations

import zlib
from typing import NamedTuple

_GZIP_LEVEL = 9


class Asset(NamedTuple):
    """A file as it is sent."""

    body: bytes
    compressed: bytes
    media_type: str


def packed(body: bytes, media_type: str) -> Asset:
    """Return a file with its compressed form, made once."""
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return Asset(body, packer.compress(body) + packer.flush(), media_type)
