"""Ids in paths: any text, percent-encoded, also with a slash in it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import unquote_to_bytes

from fastapi import Path
from pydantic import BeforeValidator
from starlette.types import Scope

from timestrata.web.problems import Problem


def route_on_raw_path(scope: Scope) -> None:
    """Let the router see the path as it was sent: an id with %2F in it is one segment and not two."""
    raw = scope.get("raw_path")
    if raw:
        scope["path"] = raw.decode("latin-1")


def unquoted(segment: str) -> str:
    """Return the id that a segment of a path spells. Raises Problem (404) when it is not UTF-8, as no id is."""
    try:
        return unquote_to_bytes(segment.encode("latin-1")).decode()
    except UnicodeError as error:
        raise Problem(404, "not_found", "an id in the path is not UTF-8, percent-encoded") from error


PathId = Annotated[str, BeforeValidator(unquoted), Path(description="An id, percent-encoded.")]
"""A path parameter that holds an id: `async def read(user_id: PathId)`."""
