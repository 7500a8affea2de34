"""What is handed in to be recorded: facts, and JSON documents that are read as facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from timestrata.errors import InvalidFact
from timestrata.facts import CompletedWorkflow
from timestrata.formats.workflow_json import Reading
from timestrata.ingest import Outcome

_TIMEZONE = "UTC"
"""In which a time without an offset is read, unless the document names a zone."""


class Admitted(NamedTuple):
    """A fact, and what is to be noted of how it was read."""

    fact: CompletedWorkflow
    notes: tuple[str, ...] = ()


def read(document: object) -> Admitted:
    """Return the workflow of one decoded document. Raises InvalidFact."""
    reading = Reading(_TIMEZONE)
    return Admitted(reading.workflow(document), reading.notes)


def admit(item: object) -> Admitted | Outcome:
    """Return what an item is as a fact, or the outcome of one that cannot be accepted."""
    if isinstance(item, CompletedWorkflow):
        return Admitted(item)
    try:
        return read(item)
    except InvalidFact as error:
        names = [item.get(name) if isinstance(item, Mapping) else None for name in ("user_id", "workflow_id")]
        user_id, workflow_id = (name if isinstance(name, str) else None for name in names)
        return Outcome("rejected", user_id, workflow_id, reason=str(error))
