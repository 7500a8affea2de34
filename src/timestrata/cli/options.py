"""The options that several commands share, and what they mean together."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

import typer

from timestrata.calendar import PRESETS, DateRange, Preset
from timestrata.errors import InvalidRequest

Form = Literal["human", "json", "csv"]

Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="TIMESTRATA_DATABASE",
        metavar="URL",
        help="sqlite:///FILE, postgresql://USER@HOST/NAME, or the path of a SQLite file"
        " (default: a file in your data folder).",
    ),
]
User = Annotated[str | None, typer.Option("--user", metavar="ID", help="Only this user.")]
TicketType = Annotated[str | None, typer.Option("--type", metavar="NAME", help="Only this ticket type.")]
First = Annotated[
    str | None, typer.Option("--from", metavar="DATE", help="The first local day, YYYY-MM-DD; alone: from it on.")
]
Last = Annotated[
    str | None, typer.Option("--to", metavar="DATE", help="The last local day, YYYY-MM-DD; alone: up to it.")
]
Today = Annotated[
    str | None,
    typer.Option("--today", metavar="DATE", help="Answer as on this day, YYYY-MM-DD: presets count from it."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON: the library's result, seconds as whole numbers.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV: a header, then one row an item.")]
Worker = Annotated[
    str | None,
    typer.Option(
        "--user",
        envvar="TIMESTRATA_USER",
        metavar="ID",
        help="Whose work it is (default: your login name; with a server, the user of the token).",
    ),
]
Server = Annotated[
    str | None,
    typer.Option(
        "--server", envvar="TIMESTRATA_SERVER", metavar="URL", help="A service instead of a database: http://HOST:PORT."
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="TIMESTRATA_TOKEN",
        metavar="TOKEN",
        help="The token for the server; others on this machine see options, so better set the variable.",
    ),
]
At = Annotated[
    str | None,
    typer.Option(
        "--at", metavar="TIME", help='When it happened, as "14:30", "yesterday 17:00", "20min ago" (default: now).'
    ),
]
Ticket = Annotated[
    str | None,
    typer.Argument(metavar="[TICKET]", help="The ticket or workflow id, where several workflows are active."),
]
Revision = Annotated[
    int | None,
    typer.Option(
        "--expected-revision",
        min=1,
        metavar="N",
        help="Refuse the change when somebody else was faster (see workflows).",
    ),
]


def _range(default: str) -> Any:
    help = f"A named range: {', '.join(PRESETS)} (default: {default})."
    return typer.Option("--range", metavar="PRESET", help=help)


Range7Days = Annotated[Preset | None, _range("last_7_days")]
Range30Days = Annotated[Preset | None, _range("last_30_days")]
RangeAllTime = Annotated[Preset | None, _range("all_time")]
RangeTrend = Annotated[Preset | None, _range("last_30_days by day, last_90_days by week, last_12_months by month")]


def chosen_form(as_json: bool, as_csv: bool = False) -> Form:
    """Return the form of the output. Raises InvalidRequest when both flags are set."""
    if as_json and as_csv:
        raise InvalidRequest("--json and --csv", "both", "one of them")
    return "json" if as_json else "csv" if as_csv else "human"


def chosen_day(option: str, text: str | None) -> date | None:
    """Return the day that an option names. Raises InvalidRequest."""
    if text is None:
        return None
    try:
        if len(text) != len("YYYY-MM-DD"):
            raise ValueError(text)
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError as error:
        raise InvalidRequest(option, text, "a date as YYYY-MM-DD") from error


def chosen_dates(
    preset: Preset | None, first: str | None, last: str | None, today: date | None, default: Preset
) -> DateRange | str:
    """Return the range that is asked for; a preset is left to the history, which knows the user's today.

    Raises InvalidRequest for a preset beside days.
    """
    if first is not None or last is not None:
        if preset is not None:
            raise InvalidRequest("--range", preset, "no --from or --to beside it")
        return DateRange(chosen_day("--from", first), chosen_day("--to", last))
    chosen = preset or default
    return DateRange.preset(chosen, today) if today is not None else chosen
