"""Results as JSON documents: the objects that the command line prints and the HTTP API returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime

from timestrata.calendar import DateRange
from timestrata.facts import CompletedWorkflow
from timestrata.formats.moments import write_iso
from timestrata.formats.workflow_json import workflow_to_json


def document(result: object) -> object:
    """Return a result of the library as what json.dumps() takes: objects, lists, text, numbers, true, false, null.

    Names stay as they are and come in the order of the fields, seconds stay whole numbers, days are "YYYY-MM-DD",
    instants ISO 8601 in UTC with Z, a range is {"from", "to"} with null for an open side. A completed workflow has
    the shape of the import format. Raises TypeError for anything else.

    >>> document(DateRange(date(2024, 2, 1), None))
    {'from': '2024-02-01', 'to': None}
    """
    match result:
        case None | bool() | int() | float() | str():
            return result
        case datetime():
            return write_iso(result)
        case date():
            return result.isoformat()
        case DateRange():
            return {"from": document(result.first), "to": document(result.last)}
        case CompletedWorkflow():
            return workflow_to_json(result)
        case Mapping():
            return {str(name): document(value) for name, value in result.items()}
        case list() | tuple():
            return [document(value) for value in result]
    if is_dataclass(result) and not isinstance(result, type):
        return {field.name: document(getattr(result, field.name)) for field in fields(result)}
    raise TypeError(f"found a {type(result).__name__}, want a result of a History")
