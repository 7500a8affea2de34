"""The columns of one file, found for a mapping: from the cells of a record to the text of a target."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from timestrata.errors import InvalidFact, InvalidInput, InvalidRequest, shown
from timestrata.formats import open_input
from timestrata.formats.mapping import ColumnMapping, Lookup
from timestrata.formats.records import Record, Records

_STEP_TARGETS = {"name": "step_name", "index": "step_index", "estimated_seconds": "step_estimated_seconds"}

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a target comes from: `parts` are literal texts and positions of cells, `label` names it in messages."""

    label: str
    parts: tuple[str | int, ...]

    def found(self, cells: Sequence[str]) -> str:
        """Return what the record holds for it, as it is."""
        return "".join(cells[part] if isinstance(part, int) else part for part in self.parts)


class Columns:
    """The sources of a mapping's targets in a file with this header, and the rows that its lookups add."""

    def __init__(self, mapping: ColumnMapping, header: Sequence[str]) -> None:
        self._lookups = [_Joined(lookup, mapping, header) for lookup in mapping.lookups]
        names = [*header, *(name for joined in self._lookups for name in joined.header)]
        self._nulls = frozenset(("", *mapping.null_tokens))
        self._sources = {target: _source(text, names) for target, text in mapping.fields.items()}
        self._mapping = mapping

    def fields(self, record: Record) -> Fields:
        """Return the texts of a record, with those of its rows in the lookups."""
        cells = record.cells
        for lookup in self._lookups:
            cells += lookup.row(record.cells)
        return Fields(record.line, cells, self)

    def text(self, target: str, cells: Sequence[str]) -> str | None:
        """Return the text of a target, without blanks around it; None when it has none.

        A template has none as soon as one of its columns has none.
        """
        source = self._sources.get(target)
        if source is None:
            return self._mapping.constants.get(target)
        parts = []
        for part in source.parts:
            if isinstance(part, str):
                parts.append(part)
                continue
            text = cells[part].strip()
            if text in self._nulls:
                return None
            parts.append(text)
        return "".join(parts)

    def found(self, target: str, cells: Sequence[str]) -> str | None:
        """Return what the record holds for a target, null tokens and blanks too; None when nothing fills it."""
        source = self._sources.get(target)
        return self._mapping.constants.get(target) if source is None else source.found(cells)

    def label(self, target: str) -> str:
        """Return how messages name the origin of a target: its column, its template, or the target itself."""
        source = self._sources.get(target)
        return target if source is None else source.label

    def refusal(self, line: int, error: InvalidFact) -> InvalidInput:
        """Return a fact's refusal by line and column instead of by its field."""
        path, _, name = error.field.rpartition(".")
        if path.startswith("steps"):
            name = _STEP_TARGETS.get(name, name)
        duration = name.removesuffix("_seconds")
        unit = self._mapping.unit(duration)
        label = self.label(f"{duration}_{unit}" if unit else name)
        return InvalidInput(line, label, f"found {shown(error.found)}, want {error.wanted}")


@dataclass(frozen=True, slots=True)
class Fields:
    """The texts of one record by target, and the refusals that name its line and column."""

    line: int
    cells: tuple[str, ...]
    columns: Columns

    def text(self, target: str) -> str | None:
        return self.columns.text(target, self.cells)

    def needed(self, target: str, wanted: str) -> str:
        text = self.text(target)
        if text is None:
            raise self.missing(target, wanted)
        return text

    def missing(self, target: str, wanted: str) -> InvalidInput:
        """Return the refusal of a record that holds no value for a target."""
        found = self.columns.found(target, self.cells)
        problem = "missing" if found is None else f"found {shown(found)}, which is no value"
        return InvalidInput(self.line, self.columns.label(target), f"{problem}, want {wanted}")

    def refused(self, target: str, wanted: str) -> InvalidInput:
        """Return the refusal of what the record holds for a target."""
        found = self.columns.found(target, self.cells)
        return InvalidInput(self.line, self.columns.label(target), f"found {shown(found)}, want {wanted}")


class _Joined:
    """A lookup in memory: the cells to add by the value of its key."""

    def __init__(self, lookup: Lookup, mapping: ColumnMapping, header: Sequence[str]) -> None:
        self._position = _position(lookup.key, header, "join")
        with open_input(lookup.path) as stream:
            records = Records(stream, mapping.encoding)
            key = _position(lookup.key, records.header, "join")
            self.header = _without(records.header, key)
            self._rows = _rows(records, key, lookup)
        self._none = ("",) * len(self.header)

    def row(self, cells: Sequence[str]) -> tuple[str, ...]:
        return self._rows.get(cells[self._position].strip(), self._none)


def _rows(records: Records, key: int, lookup: Lookup) -> dict[str, tuple[str, ...]]:
    rows: dict[str, tuple[str, ...]] = {}
    name = os.fspath(lookup.path)
    for record in records:
        if record.error is not None:
            raise InvalidInput(record.line, None, f"{record.error.problem} (in {name})") from record.error
        value = record.cells[key].strip()
        row = _without(record.cells, key)
        if rows.setdefault(value, row) != row:
            problem = f"found {shown(value)} again with other values, want one row a key (in {name})"
            raise InvalidInput(record.line, lookup.key, problem)
    return rows


def _without(cells: tuple[str, ...], position: int) -> tuple[str, ...]:
    return cells[:position] + cells[position + 1 :]


def _source(text: str, names: Sequence[str]) -> Source:
    """Return the source of a column name or, when there is no such column, of a template with {columns}."""
    if text in names or not _PLACEHOLDER.search(text):
        return Source(text, (_position(text, names, "column"),))
    pieces = _PLACEHOLDER.split(text)  # literal, name, literal, name, ..., literal
    parts: list[str | int] = []
    for index, piece in enumerate(pieces):
        if index % 2:
            parts.append(_position(piece.strip(), names, "column"))
        elif piece:
            parts.append(piece)
    return Source(text, tuple(parts))


def _position(name: str, names: Sequence[str], argument: str) -> int:
    positions = [position for position, known in enumerate(names) if known == name]
    if not positions:
        raise InvalidRequest(argument, name, f"one of the columns {', '.join(map(repr, names))}")
    if len(positions) > 1:
        raise InvalidRequest(argument, name, f"a column whose name comes once; it comes {len(positions)} times")
    return positions[0]
