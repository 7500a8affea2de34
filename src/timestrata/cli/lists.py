"""The commands that list single things: alerts (and their dismissal) and workflows."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from timestrata.cli import screen, tables
from timestrata.cli.absence import nothing
from timestrata.cli.database import open_to_change, open_to_read
from timestrata.cli.options import (
    AsCsv,
    AsJson,
    Database,
    First,
    Last,
    Range30Days,
    RangeAllTime,
    TicketType,
    Today,
    User,
    chosen_dates,
    chosen_day,
    chosen_form,
)
from timestrata.cli.printing import show
from timestrata.cli.wording import name, plural
from timestrata.errors import InvalidRequest
from timestrata.formats import sheets

Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, metavar="N", help="The most that are listed.")]
AlertIds = Annotated[list[str], typer.Argument(metavar="ID", help="Ids as `timestrata alerts` lists them.")]


def alerts(
    context: typer.Context,
    database: Database = None,
    user: User = None,
    ticket_type: TicketType = None,
    kind: Annotated[
        Literal["workflow", "step"] | None, typer.Option("--kind", help="Only whole workflows, or only steps.")
    ] = None,
    dismissed: Annotated[bool, typer.Option("--dismissed", help="List the dismissed ones instead.")] = False,
    every: Annotated[bool, typer.Option("--all", help="List open and dismissed ones.")] = False,
    limit: Limit = 50,
    preset: RangeAllTime = None,
    first: First = None,
    last: Last = None,
    today: Today = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List what took more than 120 % (or the store's threshold) of its estimate, the latest first."""
    if context.invoked_subcommand is not None:
        context.obj = database
        return
    form, day = chosen_form(as_json, as_csv), chosen_day("--today", today)
    if dismissed and every:
        raise InvalidRequest("--dismissed and --all", "both", "one of them")
    dates = chosen_dates(preset, first, last, day, "all_time")
    chosen = None if every else dismissed
    with open_to_read(database, day) as history:
        found = history.alerts(dates, user, dismissed=chosen, kind=kind, ticket_type=ticket_type, limit=limit)
        empty = None
        if not found:
            what = {None: "No gap alert was raised", True: "No gap alert was dismissed", False: "No gap alert is open"}
            empty = nothing(history, dates, user=user, ticket_type=ticket_type, what=what[chosen])
    show(found, form, sheets.alerts_sheet, tables.alerts_table, empty)
    if form == "human" and len(found) == limit:
        screen.note(f"The latest {limit:,} are listed; there may be more: --limit, --from and --to choose others.")


def dismiss(context: typer.Context, ids: AlertIds, database: Database = None) -> None:
    """Dismiss gap alerts: they are listed no more, and counted as before."""
    with open_to_change(database or context.obj) as history:
        for alert_id in ids:
            history.dismiss_alert(alert_id)
            screen.note(f"dismissed {alert_id}")


def restore(context: typer.Context, ids: AlertIds, database: Database = None) -> None:
    """Take the dismissal of gap alerts back."""
    with open_to_change(database or context.obj) as history:
        for alert_id in ids:
            history.restore_alert(alert_id)
            screen.note(f"restored {alert_id}")


def workflows(
    database: Database = None,
    user: User = None,
    ticket_type: TicketType = None,
    limit: Limit = 50,
    after: Annotated[
        str | None, typer.Option("--after", metavar="TOKEN", help="The next page: `next` of the page before.")
    ] = None,
    modified_after: Annotated[
        int | None,
        typer.Option("--modified-after", metavar="REVISION", help="What one user changed since, in that order."),
    ] = None,
    preset: Range30Days = None,
    first: First = None,
    last: Last = None,
    today: Today = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List completed workflows, the latest first, page by page."""
    form, day = chosen_form(as_json, as_csv), chosen_day("--today", today)
    dates = chosen_dates(preset, first, last, day, "last_30_days" if modified_after is None else "all_time")
    with open_to_read(database, day) as history:
        found = history.workflows(dates, user, ticket_type, limit=limit, after=after, modified_after=modified_after)
        empty = None
        if not found.workflows:
            done = history.summary(dates, user, ticket_type).completed
            if done and after is None and modified_after is None:  # of a whole range; all of it is archived then
                is_one = done == 1
                empty = (
                    f"{plural(done, 'completed workflow')} of this range {'is' if is_one else 'are'} in the archive: "
                    f"`timestrata archive restore` brings {'it' if is_one else 'them'} back."
                )
            else:
                where = "the rest of the range" if after else dates
                empty = nothing(history, where, user=user, ticket_type=ticket_type, what="Nothing was completed")
    show(found, form, sheets.workflows_sheet, tables.workflows_table, empty)
    if form != "json" and found.next is not None:
        screen.note(f"There are more: --after {found.next}")
    if form != "json":
        for gone in found.deleted:
            screen.note(f"deleted: {name(gone.workflow_id)}, at revision {gone.revision}")
