"""How a period went, as one file: a page for the browser, a PDF, a message for e-mail.

from timestrata import open_history, report

with open_history("sqlite:///team.db") as history:
    found = report.overview_report(history, "last_30_days")
Path("report.pdf").write_bytes(report.pdf(found))
"""

from importlib.util import find_spec as _find_spec

if _missing := [each for each in ("altair", "babel", "jinja2", "typst", "vl_convert") if _find_spec(each) is None]:
    raise ImportError(f"a report needs {_missing[0]}: pip install 'timestrata[report]'", name=_missing[0])

from timestrata.report.document import Document
from timestrata.report.figures import Report, overview_report
from timestrata.report.letter import email
from timestrata.report.page import html
from timestrata.report.paper import pdf
from timestrata.report.sections import document
from timestrata.report.verdicts import change_words, trend_words

__all__ = [
    "Document",
    "Report",
    "change_words",
    "document",
    "email",
    "html",
    "overview_report",
    "pdf",
    "trend_words",
]
