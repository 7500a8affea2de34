"""One result, printed in the form that was chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from rich.console import RenderableType

from timestrata.answers import Coverage
from timestrata.cli import output, screen
from timestrata.cli.options import Form
from timestrata.cli.wording import plural
from timestrata.formats.sheets import Sheet

T = TypeVar("T")


def show(
    found: T,
    form: Form,
    sheet: Callable[[T], Sheet],
    table: Callable[[T], Iterable[RenderableType]],
    empty: str | None,
) -> None:
    """Print a result as JSON, as the CSV of `sheet`, or for people as `table`; the latter `empty` instead, if given.

    People are told what is in none of the figures; of the other two, the JSON has it in its coverage.
    """
    if form == "json":
        output.write_json(found)
    elif form == "csv":
        output.write_csv(sheet(found))
    elif empty is not None:
        screen.show(empty)
    else:
        screen.show(*table(found))
    coverage = getattr(found, "coverage", None)
    if form == "human" and isinstance(coverage, Coverage) and coverage.held_out:
        held = plural(coverage.held_out, "workflow")
        is_one = coverage.held_out == 1
        screen.note(
            f"{held} {'is' if is_one else 'are'} in no figure until the true end of a session that was left running is "
            "known: `timestrata forgotten`"
        )
