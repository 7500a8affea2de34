"""A report as one HTML file: no script, no request to any host, and prints well."""

from __future__ import annotations

from base64 import b64encode

from jinja2 import Environment, PackageLoader, StrictUndefined

from timestrata.report.document import Picture
from timestrata.report.drawing import Draw, draw, svg
from timestrata.report.figures import Report
from timestrata.report.sections import document
from timestrata.wording import common, words
from timestrata.wording import report as wording

TEMPLATES = Environment(
    loader=PackageLoader("timestrata.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def html(report: Report, words: words.Words | None = None, *, draw: Draw = draw) -> str:
    """Return a report as a page with its charts in it, light or dark as the reader's system is."""

    def source(picture: Picture, theme: str) -> str:
        drawn = svg(picture, "dark" if theme == "dark" else "light", draw)
        return f"data:image/svg+xml;base64,{b64encode(drawn.encode()).decode()}"

    template = TEMPLATES.get_template("page.html")
    return template.render(document=document(report, words), source=source, t=wording, c=common)
