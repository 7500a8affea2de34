"""A report as text, tables and pictures: what every form of it, page, PDF and message, is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from timestrata.wording import report as t

Spec = Mapping[str, Any]
"""A chart as a Vega-Lite specification."""

Theme = Literal["light", "dark"]
WIDEST = 760
"""Pixels of a picture that is as wide as the text."""

THEMES: tuple[Theme, ...] = ("light", "dark")


class Cell(NamedTuple):
    """A cell of a table: its text and, of a figure, the value that the history answered."""

    text: str
    value: float | None = None


class Column(NamedTuple):
    """A column; figures are set to the right, and what is short, as days are, is not broken."""

    title: str
    is_figure: bool = False
    is_short: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a caption. The first cell of a row is its heading; the last row may be the total."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    has_total: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart in both themes, and what it shows in words. Drawn `width` pixels wide."""

    name: str
    charts: Mapping[Theme, Spec]
    alt: str
    width: int


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """A figure beside the period before."""

    name: str
    label: str
    text: str
    value: float | None
    arrow: str
    change: str
    verdict: Literal["better", "worse", "neutral"]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report. `behind` is a table of the figures of the picture, folded away where a form can."""

    name: str
    title: str
    lines: tuple[str, ...] = ()
    picture: Picture | None = None
    table: Table | None = None
    behind: Table | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report. `empty` says that there is nothing, and then there are no sections but the last."""

    language: str
    is_right_to_left: bool
    title: str
    who: str
    period: str
    lines: tuple[str, ...]
    empty: str
    key_figures: tuple[KeyFigure, ...]
    sections: tuple[Section, ...]
    definitions: tuple[tuple[str, str], ...]

    @property
    def subject(self) -> str:
        """The document in one line."""
        return " ".join(t.SUBJECT.format(title=self.title, who=self.who, period=self.period).split())

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Every picture, in order."""
        return tuple(section.picture for section in self.sections if section.picture is not None)
