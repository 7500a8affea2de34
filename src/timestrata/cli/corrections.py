"""The commands that change what is recorded: correct, delete, timezone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated

import typer

from timestrata.cli import output, screen
from timestrata.cli.database import open_or_create, open_to_change
from timestrata.cli.failures import REFUSED
from timestrata.cli.options import AsJson, Database, Revision
from timestrata.cli.wording import name
from timestrata.errors import InvalidInput, InvalidRequest, TimestrataError
from timestrata.formats import Entry, open_input
from timestrata.formats.jsonl import read_jsonl
from timestrata.history import History
from timestrata.ingest import Outcome


def correct(
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSON Lines, plain or .gz, or - for standard input.")],
    database: Database = None,
    expected_revision: Revision = None,
    as_json: AsJson = False,
) -> None:
    """Replace the content of recorded workflows: each line is one as it should be."""
    with open_input(file) as stream:
        entries: Iterable[Entry] = read_jsonl(stream)
        if expected_revision is not None:
            entries = _only_one(entries, expected_revision)
        with open_to_change(database) as history:
            outcomes = []
            for outcome in _corrections(history, entries, expected_revision):
                outcomes.append(outcome)
                if not as_json:
                    _tell(outcome)
    if as_json:
        output.write_json(outcomes)
    if not all(outcome.ok for outcome in outcomes):
        raise typer.Exit(REFUSED)


def _only_one(entries: Iterable[Entry], revision: int) -> list[Entry]:
    first = list(islice(entries, 2))
    if len(first) > 1:
        raise InvalidRequest("--expected-revision", revision, "a file of one line, to which it belongs")
    return first


def _corrections(history: History, entries: Iterable[Entry], expected_revision: int | None) -> Iterator[Outcome]:
    """Yield what became of each entry, and of the rest of an input that breaks off."""
    try:
        for entry in entries:
            yield _corrected(history, entry, expected_revision)
    except InvalidInput as error:
        yield Outcome("rejected", None, None, reason=str(error))


def _corrected(history: History, entry: Entry, expected_revision: int | None) -> Outcome:
    if entry.workflow is None:
        return Outcome("rejected", None, None, reason=entry.refusal)
    try:
        return history.correct(entry.workflow, expected_revision=expected_revision)
    except TimestrataError as error:
        reason = f"line {entry.line}: {error}"
        return Outcome("rejected", entry.workflow.user_id, entry.workflow.workflow_id, reason=reason)


def delete(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id.")],
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="The workflow's id.")],
    database: Database = None,
    expected_revision: Revision = None,
    as_json: AsJson = False,
) -> None:
    """Delete a recorded workflow: the figures become as if it had never been."""
    with open_to_change(database) as history:
        outcome = history.delete(user, workflow, expected_revision=expected_revision)
    if as_json:
        output.write_json(outcome)
    else:
        _tell(outcome)


def _tell(outcome: Outcome) -> None:
    if not outcome.ok:
        screen.note(f"refused: {name(outcome.reason or '')}")
        return
    which = f"{name(outcome.workflow_id or '')} of {name(outcome.user_id or '')}"
    so_already = " (so already)" if outcome.status == "replayed" else ""
    screen.show(f"{outcome.status} {which}: revision {outcome.revision}{so_already}")
    for text in outcome.notes:
        screen.note(f"note: {which}: {name(text)}")


def timezone(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id.")],
    zone: Annotated[str | None, typer.Argument(metavar="[ZONE]", help="An IANA zone, as in Europe/Berlin.")] = None,
    database: Database = None,
    unset: Annotated[bool, typer.Option("--unset", help="Go back to the zone of the store.")] = False,
) -> None:
    """Set the zone of a user's workflows from now on; what is recorded keeps its days."""
    if (zone is None) != unset:
        raise InvalidRequest("ZONE", zone, "an IANA time zone, or --unset without one")
    with open_or_create(database) as history:
        history.set_timezone(user, zone)
    screen.show(f"{name(user)}: {'the zone of the store' if zone is None else zone} from now on")
