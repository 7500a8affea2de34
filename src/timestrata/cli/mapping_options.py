"""The options of an import that say how CSV columns are read, and the mapping they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import typer

from timestrata.calendar import zone
from timestrata.cli.sources import Reading
from timestrata.errors import InvalidRequest
from timestrata.formats.mapping import DEFAULT_NULL_TOKENS, ColumnMapping, Lookup, MappingOptions, RowKind

Format = Literal["jsonl", "csv"]


def _option(flag: str, metavar: str | None, help: str) -> Any:
    return typer.Option(flag, metavar=metavar, help=help, rich_help_panel="CSV by a column mapping")


Maps = Annotated[
    list[str] | None,
    _option("--map", "TARGET=COLUMN", "Fill a field from a column, as in user_id=Name; may be repeated."),
]
Sets = Annotated[
    list[str] | None, _option("--set", "TARGET=TEXT", "Fill a field with a fixed text, as in ticket_type=Bug.")
]
Row = Annotated[RowKind | None, _option("--row", None, "What one row is (default: workflow).")]
DateFormat = Annotated[
    str | None,
    _option("--date-format", "FORMAT", "The strptime format of times, as in '%d.%m.%Y %H:%M' (default: ISO 8601)."),
]
Encoding = Annotated[str | None, _option("--encoding", "NAME", "The encoding, as in windows-1252 (default: UTF-8).")]
Delimiter = Annotated[
    str | None, _option("--delimiter", "TEXT", "The character between columns, or tab (default: seen in the header).")
]
DecimalComma = Annotated[bool, _option("--decimal-comma", None, "Numbers have a decimal comma, as in 1,5.")]
Nulls = Annotated[
    list[str] | None,
    _option("--null", "TEXT", f"Text that stands for no value, instead of {', '.join(DEFAULT_NULL_TOKENS)}."),
]
Joins = Annotated[list[str] | None, _option("--join", "FILE", "A second CSV file, whose columns are added by --on.")]
Ons = Annotated[list[str] | None, _option("--on", "COLUMN", "The column that both files have, one for each --join.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions:
    """What the options say about a CSV file; None and empty where nothing was said."""

    maps: list[str]
    sets: list[str]
    row: RowKind | None
    date_format: str | None
    encoding: str | None
    delimiter: str | None
    decimal_comma: bool
    nulls: list[str]
    joins: list[str]
    ons: list[str]

    def given(self) -> str | None:
        """Return the first option that was given, None when none was."""
        flags = {"sets": "--set", "nulls": "--null", "joins": "--join", "ons": "--on"}
        for name in self.__slots__:
            if getattr(self, name):
                return flags.get(name, f"--{name.replace('_', '-')}")
        return None

    def mapping(self, timezone: str) -> ColumnMapping:
        """Return the mapping. Raises InvalidRequest."""
        if len(self.joins) != len(self.ons):
            raise InvalidRequest("--on", self.ons, f"a column for each --join, of which there are {len(self.joins)}")
        options: MappingOptions = {"timezone": timezone, "decimal_comma": self.decimal_comma}
        options["lookups"] = tuple(map(Lookup, self.joins, self.ons))
        options["date_format"], options["delimiter"] = self.date_format, self.delimiter
        if self.row is not None:
            options["row"] = self.row
        if self.encoding is not None:
            options["encoding"] = self.encoding
        if self.nulls:
            options["null_tokens"] = tuple(self.nulls)
        return ColumnMapping.parse(self.maps, self.sets, **options)


def chosen_reading(chosen: Format | None, timezone: str, table: TableOptions) -> Reading:
    """Return how the inputs are read: as CSV when a column is mapped or a row described. Raises InvalidRequest."""
    if chosen == "csv" or (chosen is None and (table.maps or table.row)):
        return Reading(table.mapping(timezone), timezone)
    if (flag := table.given()) is not None:
        raise InvalidRequest(flag, "JSON Lines", "a CSV file, whose columns are named by --map")
    zone(timezone)
    return Reading(None, timezone)
