"""What a file says of its row groups: how many rows, whose, of which days, and a digest of that.

It stands in the file's metadata under KEY, with a digest of its own. Parquet has checksums of pages, but none of what
says where the pages are, and its statistics could be wrong: with this, no row is missed or taken for another one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import NamedTuple

KEY = "timestrata"
_FORMAT = 1


class Group(NamedTuple):
    """A row group; both ends are included."""

    rows: int
    first_user: str
    last_user: str
    first_day: int
    last_day: int
    digest: str
    """Of the keys of the rows in their order."""

    def may_hold(self, users: Collection[str] | None, days: tuple[int, int] | None) -> bool:
        """Tell whether a row of these users and days can be in it."""
        if days is not None and not (days[0] <= self.last_day and self.first_day <= days[1]):
            return False
        return users is None or any(self.first_user <= user <= self.last_user for user in users)


class Keys(NamedTuple):
    """By row of a group, what is looked for, and the digest of the row."""

    users: Sequence[str]
    days: Sequence[int]
    digests: Sequence[bytes]

    def group(self) -> Group:
        """Return what is said of a group with these rows; there is at least one."""
        users, days = self.users, self.days
        text = json.dumps([users, days]).encode() + b"".join(self.digests)
        return Group(len(users), min(users), max(users), min(days), max(days), _digest(text))


def written(groups: Sequence[Group]) -> str:
    """Return the text that stands in the file."""
    text = json.dumps([_FORMAT, groups])
    return f"{_digest(text.encode())} {text}"


def read(text: str) -> list[Group]:
    """Return the row groups from the text that stands in the file. Raises ValueError when it is not as it was."""
    digest, _, text = text.partition(" ")
    if digest != _digest(text.encode()):
        raise ValueError("its list of row groups is not as it was written")
    found, groups = json.loads(text)
    if found != _FORMAT:
        raise ValueError(f"it has format {found}, not {_FORMAT}: it was written by a newer Timestrata")
    return [Group(*group) for group in groups]


def _digest(text: bytes) -> str:
    return blake2b(text, digest_size=16).hexdigest()
