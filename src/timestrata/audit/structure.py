"""What holds for the integers of every cell, whatever its facts were: nothing here touches a database."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from timestrata import schema
from timestrata.audit.findings import LAST_BUCKET, durations
from timestrata.measures import Cells, Key, Measure, Sums, Worked, bucket_range
from timestrata.proofs import GRAINS, Mismatch, grains
from timestrata.stored import Unit


def faults(cells: Cells) -> Iterator[tuple[Mismatch, str]]:
    """Yield what no facts could make in cells: the first integer of each cell that is at fault, and why."""
    for table, held in zip(GRAINS, grains(cells), strict=True):
        sound = _sound_worked if table is schema.cell_worked else _sound
        for key, sums in held.items():
            if not sound(key, sums):
                column, stored, reason = _worked_fault(sums) if table is schema.cell_worked else _fault(key, sums)
                yield Mismatch(table.name, key, column, stored, None), reason  # type: ignore[arg-type]


_range = lru_cache(maxsize=4096)(bucket_range)


def _sound(key: Key, sums: Sums) -> bool:
    """Tell whether _fault() would find nothing; a store has many cells, and nearly all are sound."""
    bucket: int = key[-1]  # type: ignore[assignment]
    if not 0 <= bucket <= LAST_BUCKET:
        return False
    n, total, squares, least, greatest, paused, estimates, estimated, on_estimate, gaps, again = sums
    low, high = _range(bucket)
    others = n - 1
    return (
        n > 0
        and low <= least <= greatest <= high
        and least * others + greatest <= total <= greatest * others + least
        and not (total ^ squares) & 1
        and (_squares_fit(n, total, squares, least, greatest) if others else squares == total * total)
        and paused >= 0
        and 0 <= gaps <= estimates <= n
        and estimates <= estimated
        and (on_estimate == total if estimates == n else estimates * least <= on_estimate <= estimates * greatest)
        and (estimates > 0 or estimated == 0)
        and 0 <= again <= n
    )


def _squares_fit(n: int, total: int, squares: int, least: int, greatest: int) -> bool:
    """Tell whether two or more observations can have a sum of squares: the least, the greatest, and others between."""
    others, rest = n - 2, squares - least * least - greatest * greatest
    if not others * least * least <= rest <= others * greatest * greatest:
        return False
    # Cauchy-Schwarz, over the observations between: n * Q >= S^2.
    return (total - least - greatest) ** 2 <= others * rest


def _fault(key: Key, sums: Sums) -> tuple[str, int, str]:
    """Return (column, stored, reason) of the first fault of a cell."""
    bucket: int = key[-1]  # type: ignore[assignment]
    one = Measure._make(sums)
    n = one.observations
    if not 0 <= bucket <= LAST_BUCKET:
        return "bucket", bucket, "there is no such bucket"
    low, high = bucket_range(bucket)
    least, greatest = one.min_seconds, one.max_seconds
    fewest, most = least * (n - 1) + greatest, greatest * (n - 1) + least
    checks = (
        (n > 0, "observations", "a cell holds at least one observation"),
        (low <= least <= high, "min_seconds", f"it does not lie in the cell's durations, {durations(bucket)}"),
        (low <= greatest <= high, "max_seconds", f"it does not lie in the cell's durations, {durations(bucket)}"),
        (least <= greatest, "min_seconds", f"it is above the greatest, {greatest}"),
        (
            fewest <= one.active_seconds <= most,
            "active_seconds",
            f"{n} observations from {least} to {greatest} s have {fewest} to {most} s together",
        ),
        (
            (_squares_fit(n, *one[1:5]) if n > 1 else one.active_squared == one.active_seconds**2)
            and (one.active_seconds - one.active_squared) % 2 == 0,
            "active_squared",
            f"{n} observations of {one.active_seconds} s together cannot have this sum of squares",
        ),
        (one.paused_seconds >= 0, "paused_seconds", "it is negative"),
        (0 <= one.with_estimate <= n, "with_estimate", f"there are {n} observations"),
        (0 <= one.gap_alerts <= one.with_estimate, "gap_alerts", f"{one.with_estimate} observations have an estimate"),
        (
            one.with_estimate <= one.estimated_seconds and (one.with_estimate > 0 or one.estimated_seconds == 0),
            "estimated_seconds",
            f"{one.with_estimate} observations have an estimate, of at least 1 s each",
        ),
        (0 <= one.reworked <= n, "reworked", f"there are {n} observations"),
        (
            False,
            "estimated_active_seconds",
            f"it is the time of {one.with_estimate} of the {n} observations, {one.active_seconds} s together",
        ),
    )
    column, reason = next((column, reason) for holds, column, reason in checks if not holds)
    return column, getattr(one, column), reason


def _sound_worked(_: Key, sums: Sums) -> bool:
    return sums[0] >= 0 and sums[1] >= 0


def _worked_fault(sums: Sums) -> tuple[str, int, str]:
    one = Worked._make(sums)
    column = "worked_seconds" if one.worked_seconds < 0 else "sessions"
    return column, getattr(one, column), "it is negative"


def day_faults(cells: Cells) -> Iterator[tuple[Unit, str]]:
    """Yield the (user, day)s whose cells by completion and by step do not fit together, and why."""
    completions, steps = _by_day(cells.completion), _by_day(cells.step)
    nothing = (0, 0, 0, 0)
    for unit in sorted({*completions, *steps}):
        whole, parts = completions.get(unit, nothing), steps.get(unit, nothing)
        for place, what in ((1, "active"), (2, "paused")):
            if whole[place] != parts[place]:
                yield unit, f"completions have {whole[place]} {what} seconds, their steps {parts[place]}"
        for place, what in ((0, "observations"), (3, "reworked")):
            if whole[place] > parts[place]:
                yield unit, f"{what}: {whole[place]} of completions, only {parts[place]} of their steps"


def _by_day(cells: dict[Key, Sums]) -> dict[Unit, tuple[int, int, int, int]]:
    days: dict[Unit, tuple[int, int, int, int]] = {}
    for key, sums in cells.items():
        unit: Unit = key[0], key[1]  # type: ignore[assignment]
        known = days.get(unit)
        one = (sums[0], sums[1], sums[5], sums[10])
        days[unit] = (
            one if known is None else (known[0] + one[0], known[1] + one[1], known[2] + one[2], known[3] + one[3])
        )
    return days
