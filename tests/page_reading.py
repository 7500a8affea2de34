"""What stands in the HTML of a page: elements, tables and raw figures, read without a browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import httpx2
from web_client import Served

from timestrata.web.principals import COOKIE

_VOID = {"meta", "link", "input", "img", "br", "hr"}


class Visitor:
    """A browser without scripts, with the session of a token."""

    def __init__(self, one: Served, *scopes: str, user: str | None = None) -> None:
        token = one.history.access.create_token("test", scopes, user).secret
        self.headers = {"Accept": "text/html,*/*", "Cookie": f"{COOKIE}={token}", "Sec-Fetch-Site": "same-origin"}
        self._client = one.anyone()

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return self._client.get(path, headers={**self.headers, **headers})

    def page(self, path: str) -> PageReading:
        """Return a page. It has to be there, and to be well formed."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return PageReading(answer.text)


class PageReading(HTMLParser):
    """The elements of a page in order: attributes, and as "tag", "text" and "within" what else there is of each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.source = text
        self.elements: list[dict[str, Any]] = []
        self._open: list[dict[str, Any]] = []
        self.feed(text)
        self.close()
        assert self._open == [], [each["tag"] for each in self._open]
        self.ids = [each["id"] for each in self.elements if "id" in each]
        assert len(self.ids) == len(set(self.ids)), self.ids

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element: dict[str, Any] = {name: value or "" for name, value in attrs}
        element |= {"tag": tag, "text": "", "within": tuple(self._open)}
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open, tag
        assert self._open[-1]["tag"] == tag, (tag, self._open[-1])
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element["text"] += data

    def of(self, part: str, tag: str) -> list[dict[str, Any]]:
        """Return the elements of a tag within the one with an id."""
        return [
            each
            for each in self.elements
            if each["tag"] == tag and any(one.get("id") == part for one in each["within"])
        ]

    def has(self, part: str) -> bool:
        """Tell whether there is an element with an id."""
        return part in self.ids

    def text_of(self, part: str) -> str:
        """Return the text of the element with an id, spaces made one."""
        return squeezed(next(each["text"] for each in self.elements if each.get("id") == part))

    def value_of(self, part: str) -> float | None:
        """Return the first raw figure of a card; None where there is none."""
        given = self.of(part, "data")[0]["value"]
        return float(given) if given else None

    def rows(self, part: str, number: int = 0) -> list[list[str]]:
        """Return the rows of a table's body within a part: raw figures where it has them, else texts."""
        table = self.of(part, "table")[number]
        return [
            [self._cell(cell) for cell in self.elements if cell["tag"] in ("th", "td") and cell["within"][-1] is row]
            for row in self.elements
            if row["tag"] == "tr" and row["within"][-1]["tag"] == "tbody" and _is_in(row, table)
        ]

    def _cell(self, cell: dict[str, Any]) -> str:
        figures = [each["value"] for each in self.elements if each["tag"] == "data" and _is_in(each, cell)]
        return str(figures[0]) if figures else squeezed(cell["text"])

    def links(self, part: str) -> list[str]:
        """Return where the links of a part lead."""
        return [each["href"] for each in self.of(part, "a")]


def squeezed(text: str) -> str:
    """Return text with each run of spaces as one."""
    return re.sub(r"\s+", " ", text).strip()


def _is_in(element: dict[str, Any], other: dict[str, Any]) -> bool:
    return any(each is other for each in element["within"])
