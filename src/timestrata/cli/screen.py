"""Output for people: the console, and the pieces that every table is made of."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from timestrata.calendar import DateRange
from timestrata.cli import wording

_WIDE = 10_000
_MOST_OF_A_WORD = 24
_PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}

Cell = str | Text
Column = tuple[str, Literal["left", "right", "whole"]]
"""Title, and how it is set: left, folded where the terminal is narrow; left and never broken; right, for numbers."""


class _Page(io.StringIO):
    """Text on its way to standard output, whose encoding decides whether lines are drawn or made of dashes."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(sys.stdout, "encoding", None) or "utf-8"


def show(*parts: RenderableType) -> None:
    """Print parts for people, one below the other. Rich heeds NO_COLOR.

    As wide as the terminal or COLUMNS, else as wide as they are: what goes into a file or another program is not cut.
    Nor is a table that is too wide for the terminal squeezed until nobody can read it.
    """
    if sys.stdout.isatty():
        _print(Console(**_PLAIN), parts)
        return
    page = _Page()
    _print(Console(file=page, width=None if os.environ.get("COLUMNS") else _WIDE, **_PLAIN), parts)
    # A table fills its last column with blanks, which nobody wants in a file.
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in page.getvalue().split("\n")[:-1]))
    sys.stdout.flush()  # in order with what goes to standard error


def _print(console: Console, parts: Iterable[RenderableType]) -> None:
    width, unbounded = console.width, console.options.update(max_width=_WIDE)
    for part in parts:
        least = Measurement.get(console, unbounded, part).minimum if isinstance(part, Table) else 0
        console.width = max(width, least)
        console.print(part, crop=False)


def note(message: str) -> None:
    """Print a remark on standard error, out of the way of the output."""
    print(message, file=sys.stderr, flush=True)


def heading(what: str, dates: DateRange | str, user_id: str | None = None, ticket_type: str | None = None) -> Text:
    """Return the line above a table: what it shows, of whom, when."""
    of_type = f", ticket type {wording.name(ticket_type)}" if ticket_type is not None else ""
    who = wording.name(user_id) if user_id is not None else "all users"
    return Text(f"{what}: {who}{of_type}, {dates}", style="bold")


def table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], last_is_total: bool = False) -> Table:
    """Return a table, the last row in bold when it is the total."""
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, header_style="bold")
    rows = list(rows)
    for index, (title, side) in enumerate(columns):
        made.add_column(
            title,
            justify="right" if side == "right" else "left",
            no_wrap=side != "left",
            overflow="fold",
            min_width=_longest_word([title, *(str(row[index]) for row in rows)]) if side == "left" else None,
        )
    for position, row in enumerate(rows, 1):
        total = last_is_total and position == len(rows)
        made.add_row(*row, style="bold" if total else None)
    return made


def _longest_word(texts: Iterable[str]) -> int:
    """Return the width of the longest word, as far as a narrow column need not break it."""
    return min(_MOST_OF_A_WORD, max(cell_len(word) for text in texts for word in text.split() or [""]))


def pairs(rows: Iterable[tuple[str, Cell]]) -> Table:
    """Return labels and what they say, in two columns."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for row in rows:
        grid.add_row(*row)
    return grid


def ratio_cell(value: float | None) -> Text:
    """Return actual against estimate, coloured: on estimate or below, up to 120 % of it, above."""
    if value is None:
        return Text(wording.NOTHING)
    return Text(wording.ratio(value), style="green" if value <= 1.0 else "yellow" if value <= 1.2 else "red")
