"""One result, printed in the form that was chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from rich.console import RenderableType

from timestrata.cli import output, screen
from timestrata.cli.options import Form
from timestrata.formats.sheets import Sheet

T = TypeVar("T")


def show(
    found: T,
    form: Form,
    sheet: Callable[[T], Sheet],
    table: Callable[[T], Iterable[RenderableType]],
    empty: str | None,
) -> None:
    """Print a result as JSON, as the CSV of `sheet`, or for people as `table`; the latter `empty` instead, if given."""
    if form == "json":
        output.write_json(found)
    elif form == "csv":
        output.write_csv(sheet(found))
    elif empty is not None:
        screen.show(empty)
    else:
        screen.show(*table(found))
