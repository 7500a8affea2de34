"""The command that shows an example: a made-up history, recorded and asked about."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from time import monotonic
from typing import Annotated

import typer
from rich.console import Console, RenderableType
from rich.text import Text

from timestrata import demo as made_up
from timestrata.calendar import DateRange
from timestrata.cli import screen, tables, trend_table
from timestrata.cli.database import data_folder, file_url, open_or_create, shown_database
from timestrata.cli.options import chosen_day
from timestrata.cli.wording import plural
from timestrata.errors import BatchRejected, InvalidRequest
from timestrata.history import History

_BATCH = 1000
_SLOWEST = 5


def demo(
    database: Annotated[
        str | None,
        typer.Option("--database", metavar="URL", help="A database of its own (default: a file in your data folder)."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DATE", help=f"The last day (default: {made_up.UNTIL}).")
    ] = None,
) -> None:
    """Record a made-up history of a small QA team, and show what can be asked about it."""
    last = _last_day(until)
    # Not TIMESTRATA_DATABASE: nobody wants a made-up team in the history of their own.
    place = database or file_url(data_folder() / f"demo-{last}.db")
    with open_or_create(place, today=last + timedelta(days=1)) as history:  # when the last day is over
        strangers = set(history.users()) - {person.user_id for person in made_up.TEAM}
        if strangers:
            raise InvalidRequest(
                "--database", shown_database(history), "a database of its own, this one has other users"
            )
        _record(history, last, place)
        screen.show(*_shown(history, last))


def _last_day(until: str | None) -> date:
    last = chosen_day("--until", until) or made_up.UNTIL
    if not 2000 <= last.year < 2100:
        raise InvalidRequest("--until", str(last), "a day from 2000-01-01 to 2099-12-31")
    return last


def _record(history: History, last: date, place: str) -> None:
    """Record the team's workflows. Raises InvalidRequest when a demo until another day is in the way."""
    console, started = Console(stderr=True), monotonic()
    workflows = made_up.workflows(last)
    recorded = replayed = 0
    with console.status("recording two years of work ..."):
        while batch := list(islice(workflows, _BATCH)):
            try:
                result = history.record(batch, strict=True)
            except BatchRejected as error:
                wanted = "a database of its own: this one holds a demo until another day"
                raise InvalidRequest("--database", place, wanted) from error
            recorded += result.count("recorded")
            replayed += result.count("replayed")
    again = f", {replayed:,} were there already" if replayed else ""
    screen.note(f"{plural(recorded, 'workflow')} recorded in {monotonic() - started:.1f} s{again}")


def _shown(history: History, last: date) -> Iterator[RenderableType]:
    year = DateRange.preset("last_12_months", last)
    people = ", ".join(person.user_id for person in made_up.TEAM)
    total = history.summary("all_time").completed
    yield f"A made-up QA team ({people}): {plural(total, 'workflow')} in two years, until {last}.\n"
    yield from tables.summary_table(history.summary(year))
    yield ""
    yield from trend_table.trend_table(history.trend(year, "month", by="template"), "template")
    steps = history.steps(year)
    slowest = sorted(steps, key=lambda step: step.mean_seconds or 0, reverse=True)[:_SLOWEST]
    yield ""
    yield screen.heading("Slowest steps", steps.dates)
    yield tables.steps_rows(slowest)
    yield ""
    yield Text("Try next:", style="bold")
    yield from (f"  {line}" for line in _try_next(history, last))


def _try_next(history: History, last: date) -> Iterator[str]:
    yield f"export TIMESTRATA_DATABASE={shlex.quote(shown_database(history))}"
    yield f"timestrata trend --user lena --bucket month --range all_time --today {last}"
    yield f"timestrata steps --template 'Regression test' --today {last}"
    yield f"timestrata alerts --user chidi --limit 10 --today {last}"
    yield f"timestrata summary --range this_quarter --today {last} --json"
