"""How live work is treated, and what every call of it carries."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import NamedTuple, Protocol, TypeVar
from uuid import uuid4

from sqlalchemy import Connection

from timestrata.calendar import instant
from timestrata.errors import InvalidFact, InvalidRequest
from timestrata.facts import MAX_ATTRIBUTES, checked_moment, checked_text
from timestrata.ingest import Context

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TrackingRules:
    """How live work is treated. Not fixed for a store: a process may have its own.

    A session that ran for longer than `forgotten_after` since the last event is ended there by itself, and held out
    of every figure until confirm() or correct(). `parallel_sessions` lets a user have several running at once. A time
    that is given may be ahead of the clock by `clock_skew`.
    """

    forgotten_after: timedelta = timedelta(hours=12)
    parallel_sessions: bool = False
    clock_skew: timedelta = timedelta(seconds=60)

    def __post_init__(self) -> None:
        if not timedelta(minutes=1) <= self.forgotten_after <= timedelta(days=100):
            raise InvalidRequest("forgotten_after", str(self.forgotten_after), "1 minute to 100 days")
        if not timedelta(0) <= self.clock_skew <= timedelta(hours=1):
            raise InvalidRequest("clock_skew", str(self.clock_skew), "0 to 1 hour")


class Transactions(Protocol):
    """What tracking needs of a history."""

    def write(self, users: Sequence[str], action: Callable[[Context], T]) -> T:
        """Run an action in a transaction of its own, repeated on transient errors; the users' names are interned."""

    def read(self, action: Callable[[Connection], T]) -> T:
        """Run an action in one snapshot, repeated on transient errors."""


class Call(NamedTuple):
    """One call: when (None: now), under which idempotency key, and what makes it the same call again.

    A call without a key gets one of its own, so that it can be repeated when it is not known whether it was committed.
    """

    at: datetime | None
    key: str
    digest: bytes


def call_of(at: datetime | None, key: str | None, *content: object) -> Call:
    if at is not None:
        at = checked_moment("at", at)
    if key is not None:
        checked_text("key", key)
    # By its repr what JSON does not know: it is going to be refused, but by what looks at it.
    text = json.dumps([*content, None if at is None else instant(at)], sort_keys=True, default=repr)
    return Call(at, uuid4().hex if key is None else key, blake2b(text.encode(), digest_size=16).digest())


def checked_attributes(attributes: Mapping[str, object] | None) -> dict[str, object]:
    if not attributes:
        return {}
    try:
        text = json.dumps(dict(attributes), allow_nan=False)
        if len(text) <= MAX_ATTRIBUTES:
            return dict(json.loads(text))
    except (TypeError, ValueError, RecursionError):
        pass
    raise InvalidFact("attributes", attributes, f"a JSON object of at most {MAX_ATTRIBUTES} characters")


def microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
