"""Which colour a ticket type has, and which types are drawn together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from timestrata.wording import charts as t

COLOURED = 5
OTHER_SLOT = COLOURED
MOST_NAMES = 16
"""So many ticket types are drawn at most; the least of more than that are drawn as one."""


def colours(names: Iterable[str]) -> Mapping[str, int]:
    """Return the place of each name's colour: 0 to 4 for the first five in order, 5 (grey) for all others.

    names: all ticket types of the store in a steady order, as History.ticket_types() gives them, so that a type keeps
    its colour whatever is drawn.

    >>> colours(["Bug", "Chore"])
    {'Bug': 0, 'Chore': 1}
    """
    return {name: min(place, OTHER_SLOT) for place, name in enumerate(dict.fromkeys(names))}


def slots_of(names: Collection[str], types: Sequence[str] | None) -> Mapping[str, int]:
    """Return the places of some names among all types; without `types`, among themselves. Unknown ones are grey."""
    known = colours(sorted(names) if types is None else types)
    return {name: known.get(name, OTHER_SLOT) for name in names}


def gathered(totals: Mapping[str, int], slots: Mapping[str, int]) -> Mapping[str, tuple[str, ...]]:
    """Return the names behind each name that is drawn: themselves, and behind the last the least of too many.

    Those with a colour come first, in the order of the colours, the others after them by name.
    """
    ordered = sorted(totals, key=lambda name: (slots[name], name))
    if len(ordered) <= MOST_NAMES:
        return {name: (name,) for name in ordered}
    most = sorted(ordered, key=lambda name: (slots[name] == OTHER_SLOT, -totals[name], name))
    kept = set(most[: MOST_NAMES - 1])
    drawn = {name: (name,) for name in ordered if name in kept}
    rest = tuple(name for name in ordered if name not in kept)
    return {**drawn, unlike(t.OTHERS.format(count=len(rest)), drawn): rest}


def unlike(label: str, taken: Collection[str]) -> str:
    """Return a label that no name equals: spaces that do not break, which nobody sees, tell it from one that does."""
    while label in taken:
        label += "\u00a0"
    return label
