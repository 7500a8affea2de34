"""A report as a message for e-mail: text for those who read text, else a page with its charts attached."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP

from timestrata.report.document import Document, Section, Table
from timestrata.report.drawing import Draw, draw, png
from timestrata.report.figures import Report
from timestrata.report.page import TEMPLATES
from timestrata.report.sections import document
from timestrata.wording import common, words
from timestrata.wording import report as wording

_RULE = "-"


def email(report: Report, words: words.Words | None = None, *, draw: Draw = draw) -> EmailMessage:
    """Return a report as a message with a subject, and without a sender or a recipient.

    Mail programs open the file of it as a draft (`X-Unsent: 1`); who sends it by program takes that header out.
    """
    shown = document(report, words)
    message = EmailMessage(policy=SMTP)
    message["Subject"] = shown.subject
    message["X-Unsent"] = "1"
    message.set_content(text(shown))
    template = TEMPLATES.get_template("letter.html")
    message.add_alternative(template.render(document=shown, t=wording, c=common), subtype="html")
    page = message.get_body(("html",))
    assert isinstance(page, EmailMessage)
    for picture in shown.pictures:
        name = f"{picture.name}.png"
        image = png(picture, draw)
        page.add_related(image, "image", "png", cid=f"<{picture.name}@report>", filename=name, disposition="inline")
    return message


def text(shown: Document) -> str:
    """Return a report as plain text, its charts as the tables of their figures."""
    return "\n".join(_lines(shown)) + "\n"


def _lines(shown: Document) -> Iterator[str]:
    yield from (shown.title.upper(), shown.who, shown.period, "", *shown.lines, "")
    if shown.empty:
        yield from (shown.empty, "")
    for each in shown.key_figures:
        yield f"{each.label}: {each.text}" + (f" ({each.note})" if each.note else "")
        yield f"    {each.arrow} {each.change}".rstrip()
    for section in shown.sections:
        yield from _section(section)
    yield from ("", *_title(wording.DEFINITIONS))
    yield from (f"{term}: {meaning}" for term, meaning in shown.definitions)


def _section(section: Section) -> Iterator[str]:
    yield from ("", *_title(section.title))
    yield from section.lines
    for table in (section.table, section.behind):
        if table is not None:
            yield ""
            yield from _table(table)


def _title(title: str) -> tuple[str, str]:
    return title, _RULE * len(title)


def _table(table: Table) -> Iterator[str]:
    """Yield the lines of a table, figures to the right of their columns."""
    rows = [[column.title for column in table.columns], *([_one_line(cell.text) for cell in row] for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            text.rjust(width) if column.is_figure else text.ljust(width)
            for text, width, column in zip(row, widths, table.columns, strict=True)
        )
        yield "  ".join(cells).rstrip()


def _one_line(text: str) -> str:
    return " ".join(text.split())
