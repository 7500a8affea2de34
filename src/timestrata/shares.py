"""Answers about everybody, renewed by the shares of those who did something since.

Out of what is known of everybody a person's share is taken as it was, and put in as it is. To know how it was, people
are divided where something is done, and their parts again: who goes on doing something is soon asked alone.
"""

from __future__ import annotations

import pickle
from array import array
from bisect import bisect_left
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from typing import Generic, NamedTuple, TypeVar

from timestrata.keeping import Kept

T = TypeVar("T")

People = range
"""People by id. Some of the ids may be nobody's."""

_PARTS = 32
"""Parts into which people are divided, as long as no more than one in so many of them did something."""

MANY_CHANGES = 10_000
"""What people have to have done before they are divided. Less is read in the time that asking for parts would take."""


@dataclass(frozen=True, slots=True)
class Arithmetic(Generic[T]):
    """How answers are put together. The functions may change the answer that they are given first.

    `add` returns the answer about two sets of people from that about each. `swap` returns the answer about people of
    whom some did something: from the one before, and from what that was about these and what it is about them now.
    None: that does not tell, because the least or the greatest may have gone.
    """

    add: Callable[[T, T], T]
    swap: Callable[[T, T, T], T | None]


_Difference = tuple[bytes, bytes]
"""A pickled answer as it was, and as it is."""


class _About(NamedTuple, Generic[T]):
    """An answer about people.

    `differences` made it of the one that was kept, of the state `before` (None: none was). They are those of the
    smallest parts, and go into all that these are part of: a whole part as it was and as it is would have to be read,
    and compared, at each level.
    """

    answer: T
    before: bytes | None
    differences: list[_Difference]


class Shares:
    """The shares of everybody in one state of the store.

    `changes` is how often the data of each person was changed, by id (1 or more), in the order of ids. `gone` counts
    those who are no more: their ids may be given again. `kept` is shared by the states of one store, and by threads.
    """

    def __init__(self, changes: Mapping[int, int], gone: int, kept: Kept) -> None:
        self._ids = list(changes)
        self._changes = array("q", chain.from_iterable(changes.items()))
        """Each id, followed by the changes of that person."""
        self._gone = gone
        self._kept = kept
        self._found: dict[tuple[People, bytes], list[People]] = {}

    def answer(self, question: Hashable, ask: Callable[[People], T], arithmetic: Arithmetic[T]) -> T:
        """Return what `ask` answers about everybody.

        `question` names the question with all that the answer depends on but the data. Answers are pickled.
        """

        def kept(people: People) -> tuple[bytes | None, bytes]:
            found = self._kept.get((question, self._gone, people))
            return (None, b"") if found is None else pickle.loads(found)

        def about(people: People) -> _About[T]:
            before, content = kept(people)
            now = self._state(people)
            if before == now:
                return _About(pickle.loads(content), before, [])
            found, differences = (ask(people), None) if before is None else renewed(people, before, content)
            new = pickle.dumps(found, pickle.HIGHEST_PROTOCOL)
            self._kept.put((question, self._gone, people), pickle.dumps((now, new)))
            return _About(found, before, [(content, new)] if differences is None else differences)

        def renewed(people: People, before: bytes, content: bytes) -> tuple[T, list[_Difference] | None]:
            stale = self._stale(people, before)
            if not stale:
                return ask(people), None
            parts = [about(part) for part in stale]
            if all(part.before == _of(who, before) for who, part in zip(stale, parts, strict=True)):
                differences = [each for part in parts for each in part.differences]
                whole: T | None = pickle.loads(content)
                for old, new in differences:
                    whole = None if whole is None else arithmetic.swap(whole, pickle.loads(old), pickle.loads(new))
                if whole is not None:
                    return whole, differences
            return reduce(arithmetic.add, (about(part).answer for part in self._parts(people))), None

        return about(self._everybody()).answer

    def _everybody(self) -> People:
        size = 1
        while self._ids and self._ids[-1] >= size:
            size *= _PARTS
        return range(size)

    def _within(self, people: People) -> slice:
        return slice(bisect_left(self._ids, people.start), bisect_left(self._ids, people.stop))

    def _state(self, people: People) -> bytes:
        here = self._within(people)
        return self._changes[2 * here.start : 2 * here.stop].tobytes()

    def _parts(self, people: People) -> list[People]:
        """Return the parts of people that are somebody's, two or more; none when these are one person."""
        while len(people) > 1:
            here, size = self._within(people), len(people) // _PARTS
            parts: list[People] = []
            place = here.start
            while place < here.stop:
                start = self._ids[place] - (self._ids[place] - people.start) % size
                parts.append(range(start, start + size))
                place = bisect_left(self._ids, start + size)
            if len(parts) > 1:
                return parts
            [people] = parts
        return []

    def _stale(self, people: People, before: bytes) -> list[People]:
        """Return the parts of people in which somebody did something since a state; none when asking all is better.

        Found once for all questions.
        """
        key = (people, before)
        if key not in self._found:
            now, parts = _by_person(self._state(people)), self._parts(people)
            known = _by_person(before)
            changed = [person for person, changes in now.items() if known.get(person) != changes]
            few = len(changed) <= max(1, len(now) // _PARTS)
            much = sum(now.values()) >= MANY_CHANGES
            stale = [part for part in parts if any(person in part for person in changed)] if few and much else []
            self._found[key] = stale
        return self._found[key]


def _by_person(state: bytes) -> dict[int, int]:
    numbers = array("q", state)
    return dict(zip(numbers[::2], numbers[1::2], strict=True))


def _of(people: People, state: bytes) -> bytes:
    """Return the state of some of the people of a state."""
    numbers = array("q", state)
    ids = numbers[::2]
    return numbers[2 * bisect_left(ids, people.start) : 2 * bisect_left(ids, people.stop)].tobytes()
