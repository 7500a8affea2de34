"""How the columns of a CSV file become workflows: which target is filled from what, and how its text is read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypedDict, Unpack, get_args

from timestrata.calendar import zone
from timestrata.errors import InvalidFact, InvalidRequest

RowKind = Literal["workflow", "step", "session"]
ROW_KINDS: tuple[RowKind, ...] = get_args(RowKind)

UNITS = ("seconds", "minutes", "hours", "clock")
DEFAULT_NULL_TOKENS = ("NA", "N/A", "NULL", "null")
ATTRIBUTE = "attribute."

_TEXTS = ("workflow_id", "user_id", "ticket_key", "ticket_type", "template", "timezone", "step_index", "step_name")
_MOMENTS: Mapping[RowKind, tuple[str, ...]] = {
    "workflow": ("started_at", "completed_at"),
    "step": ("started_at", "completed_at"),
    "session": ("started_at", "ended_at", "completed_at"),
}
_DURATIONS: Mapping[RowKind, tuple[str, ...]] = {
    "workflow": ("active", "estimated", "step_estimated"),
    "step": ("active", "estimated", "step_estimated"),
    "session": ("active", "pause", "estimated", "step_estimated"),
}
_REQUIRED = ("workflow_id", "user_id", "ticket_type")
_DELIMITER_NAMES = {"tab": "\t", r"\t": "\t"}
_TIME_DIRECTIVE = re.compile("%[HIMSTXcfpR]")
_YEAR_DIRECTIVE = re.compile("%[YyGcxDF]")


@dataclass(frozen=True, slots=True)
class Lookup:
    """A second CSV file whose row with the same value in the column `key` adds its columns; it is held in memory."""

    path: str | os.PathLike[str]
    key: str


class MappingOptions(TypedDict, total=False):
    """The fields of a ColumnMapping besides `fields` and `constants`."""

    row: RowKind
    date_format: str | None
    timezone: str
    encoding: str
    delimiter: str | None
    decimal_comma: bool
    null_tokens: tuple[str, ...]
    lookups: tuple[Lookup, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMapping:
    """How to read one kind of CSV file. Checked when made: raises InvalidRequest.

    `fields` names for each target a column or a template such as "{TaskNumber}-{DeveloperID}", `constants` a fixed
    text; valid_targets() lists the targets. `row` is what one row is. `date_format` is a strptime format (ISO 8601
    without one), `timezone` the zone of times without an offset. A cell that holds a null token holds no value.

    >>> mapping = ColumnMapping.parse(
    ...     ["workflow_id=Task", "user_id=Name", "active_hours=Hours", "completed_at=Done"], ["ticket_type=Bug"]
    ... )
    >>> mapping.fields["user_id"], mapping.constants["ticket_type"], mapping.row
    ('Name', 'Bug', 'workflow')
    """

    fields: Mapping[str, str]
    constants: Mapping[str, str] = field(default_factory=dict)
    row: RowKind = "workflow"
    date_format: str | None = None
    timezone: str = "UTC"
    encoding: str = "utf-8-sig"
    delimiter: str | None = None
    decimal_comma: bool = False
    null_tokens: tuple[str, ...] = DEFAULT_NULL_TOKENS
    lookups: tuple[Lookup, ...] = ()

    def __post_init__(self) -> None:
        if self.row not in ROW_KINDS:
            raise InvalidRequest("row", self.row, f"one of {', '.join(ROW_KINDS)}")
        if twice := [target for target in self.constants if target in self.fields]:
            raise InvalidRequest("set", twice[0], "a target that is not mapped to a column too")
        self._check_targets()
        self._check_required()
        _check_zone(self.timezone)
        _check_encoding(self.encoding)
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '\r\n"\0'):
            raise InvalidRequest("delimiter", self.delimiter, 'one character such as ";", or "tab"')
        if self.date_format is not None:
            _check_date_format(self.date_format)

    @classmethod
    def parse(
        cls, map_args: Sequence[str], set_args: Sequence[str] = (), **options: Unpack[MappingOptions]
    ) -> ColumnMapping:
        """Read `target=Column` and `target=value` arguments as a command line gives them. Raises InvalidRequest."""
        delimiter = options.get("delimiter")
        if delimiter is not None:
            options["delimiter"] = _DELIMITER_NAMES.get(delimiter, delimiter)
        return cls(
            fields=_pairs("map", map_args, "target=Column, such as user_id=Name"),
            constants=_pairs("set", set_args, "target=value, such as ticket_type=Bug"),
            **options,
        )

    @property
    def targets(self) -> tuple[str, ...]:
        """Every target that is filled, from a column or with a constant."""
        return (*self.fields, *self.constants)

    @property
    def dates_only(self) -> bool:
        """Whether the date format has no time of day."""
        return self.date_format is not None and not _TIME_DIRECTIVE.search(self.date_format.replace("%%", ""))

    def unit(self, duration: str) -> str | None:
        """Return the unit in which a duration ("active") comes, None when it does not."""
        return next((unit for unit in UNITS if f"{duration}_{unit}" in self.targets), None)

    def _check_targets(self) -> None:
        valid = valid_targets(self.row)
        for target in self.targets:
            if target in valid or (target.startswith(ATTRIBUTE) and target != ATTRIBUTE):
                continue
            raise InvalidRequest("target", target, f"for row={self.row} one of {', '.join(valid)}, {ATTRIBUTE}NAME")
        for duration in _DURATIONS[self.row]:
            units = [f"{duration}_{unit}" for unit in UNITS if f"{duration}_{unit}" in self.targets]
            if len(units) > 1:
                raise InvalidRequest("target", " and ".join(units), f"{duration} time in one unit")

    def _check_required(self) -> None:
        filled = {*self.targets, *(duration for duration in _DURATIONS[self.row] if self.unit(duration))}
        required = [*_REQUIRED, *(["started_at"] if self.row == "session" else ["completed_at", "active"])]
        missing = [f"active_{'|'.join(UNITS)}" if name == "active" else name for name in required if name not in filled]
        if self.row == "session" and not filled & {"ended_at", "active"}:
            missing.append(f"ended_at or active_{'|'.join(UNITS)}")
        if missing:
            wanted = f"also {', '.join(missing)}: map a column to it, or set it"
            raise InvalidRequest("targets", ", ".join(self.targets), wanted)


def valid_targets(row: RowKind) -> tuple[str, ...]:
    """Return the targets that a row of this kind can fill, without the attributes."""
    durations = (f"{duration}_{unit}" for duration in _DURATIONS[row] for unit in UNITS)
    return (*_TEXTS, *_MOMENTS[row], *durations)


def _pairs(argument: str, args: Iterable[str], wanted: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for arg in args:
        target, _, value = (part.strip() for part in arg.partition("="))
        if not target or not value:
            raise InvalidRequest(argument, arg, wanted)
        if target in pairs:
            raise InvalidRequest(argument, arg, f"{target} only once, it is {pairs[target]!r} already")
        pairs[target] = value
    return pairs


def _check_zone(timezone: str) -> None:
    try:
        zone(timezone)
    except InvalidFact as error:
        raise InvalidRequest("timezone", timezone, error.wanted) from error


def _check_encoding(encoding: str) -> None:
    try:
        "".encode(encoding)
    except (LookupError, ValueError) as error:
        raise InvalidRequest("encoding", encoding, 'a text encoding such as "utf-8" or "windows-1252"') from error


def _check_date_format(date_format: str) -> None:
    sample = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
    try:
        if not _YEAR_DIRECTIVE.search(date_format.replace("%%", "")):
            raise ValueError("no year in it")
        datetime.strptime(sample.strftime(date_format), date_format)
    except ValueError as error:
        wanted = f'a strptime format with a year, such as "%d.%m.%Y %H:%M" ({error})'
        raise InvalidRequest("date_format", date_format, wanted) from error
