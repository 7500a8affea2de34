"""A report as a PDF, set by Typst."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time
from importlib.resources import files
from typing import Any

import typst

from timestrata.report.document import WIDEST, Document, Section, Table
from timestrata.report.drawing import Draw, draw, svg
from timestrata.report.figures import Report
from timestrata.report.sections import document
from timestrata.wording import common as c
from timestrata.wording import report as t
from timestrata.wording.words import Words

FONTS = (
    "Inter", "Segoe UI", "Helvetica Neue", "Arial", "Liberation Sans", "Noto Sans", "DejaVu Sans", "Libertinus Serif",
)  # fmt: skip
"""The first that is there; the last comes with Typst. Characters that it lacks are taken from any other font."""

_LONGEST_NAME = 30
"""Characters; longer names are broken sooner than others."""


def pdf(report: Report, words: Words | None = None, *, draw: Draw = draw) -> bytes:
    """Return a report as an accessible PDF (PDF/UA-1) with its charts as vectors.

    Fonts of this machine are used where there are any. A character that none of them has is shown as an empty box, and
    the PDF, tagged all the same, does not claim the standard.
    """
    shown = json.dumps(_data(document(report, words), draw))
    made_at = datetime.combine(report.made_on, time(), UTC)  # the same report is the same file
    try:
        return _set(shown, made_at, ["ua-1"])
    except typst.TypstError:  # PDF/UA allows no character that every font lacks
        return _set(shown, made_at, [])


def _set(shown: str, made_at: datetime, standards: list[Any]) -> bytes:
    template = files("timestrata.report").joinpath("templates/paper.typ").read_bytes()
    inputs = {"data": shown}
    return bytes(typst.compile(template, format="pdf", sys_inputs=inputs, timestamp=made_at, pdf_standards=standards))


def _data(shown: Document, draw: Draw) -> dict[str, Any]:
    return {
        "language": shown.language,
        "product": c.PRODUCT,
        "fonts": FONTS,
        "subject": shown.subject,
        "title": shown.title,
        "who": shown.who,
        "period": shown.period,
        "lines": shown.lines,
        "empty": shown.empty,
        "key_figures": [
            {name: getattr(each, name) for name in ("label", "text", "arrow", "change", "verdict", "note")}
            for each in shown.key_figures
        ],
        "sections": [_section(section, draw) for section in shown.sections],
        "definitions_title": t.DEFINITIONS,
        "definitions": shown.definitions,
        "page": t.PAGE,
    }


def _section(section: Section, draw: Draw) -> dict[str, Any]:
    picture = section.picture
    return {
        "title": section.title,
        "lines": section.lines,
        "picture": None
        if picture is None
        else {"svg": svg(picture, "light", draw), "alt": picture.alt, "share": picture.width / WIDEST},
        "table": None if section.table is None else _table(section.table),
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "columns": [
            {"title": column.title, "figure": column.is_figure, "share": _share(table, index)}
            for index, column in enumerate(table.columns)
        ],
        "rows": [[cell.text for cell in row] for row in table.rows],
        "total": table.has_total,
    }


def _share(table: Table, index: int) -> int:
    """Return how much of the width that is left a column gets: by its longest text; 0 takes what the text needs."""
    column = table.columns[index]
    if column.is_figure or column.is_short:
        return 0
    return min(max(len(text) for text in (column.title, *(row[index].text for row in table.rows))), _LONGEST_NAME)
