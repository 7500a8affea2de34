"""Notes of whose data a URL shows, so that its next reading needs no route."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from starlette.types import Scope

_MOST = 10_000
_LONGEST_URL = 2_000


class Note(NamedTuple):
    """What is remembered of a URL that was answered with figures."""

    user: str | None
    """Whose data it shows; None: everyone's."""
    route: object
    """The route that answered, for the log and the counts."""


class Notes:
    """Notes by token and URL: a token stands for the same person and the same rights for as long as it is valid."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, bytes], Note] = OrderedDict()

    def take(self, token_id: str, scope: Scope, user: str | None) -> None:
        """Note that a request was answered from the data of a user, which its token may read."""
        path, query = scope["path"], scope["query_string"]
        if scope["method"] == "GET" and len(path) + len(query) <= _LONGEST_URL:
            self._kept[token_id, path, query] = Note(user, scope.get("route"))
            if len(self._kept) > _MOST:
                self._kept.popitem(last=False)

    def of(self, token_id: str, scope: Scope) -> Note | None:
        """Return the note of a request like this one."""
        return self._kept.get((token_id, scope["path"], scope["query_string"]))
