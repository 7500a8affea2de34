"""CSV files read by a column mapping: rows of one workflow put together, one entry a workflow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from timestrata.errors import InvalidInput
from timestrata.formats import Entry
from timestrata.formats.assembly import Assembly
from timestrata.formats.columns import Columns, Fields
from timestrata.formats.mapping import ColumnMapping
from timestrata.formats.records import Record, Records
from timestrata.formats.rows import Row, RowReader

# Records that cannot be read wait for the next row that can, which may belong to the same workflow as the row before.
_MOST_ASIDE = 100


def read_table(stream: BinaryIO, mapping: ColumnMapping) -> Table:
    """Read the workflows of a CSV file by a mapping, streaming: one entry a workflow, in the order of the file.

    Where a row is a step or a session, the rows of one workflow must be adjacent and are held in memory together;
    when one of them is refused the whole workflow is. Raises InvalidRequest at once for a column that is not in the
    header, and InvalidInput when there is no header, a lookup cannot be read, or the stream breaks off.

    >>> import io
    >>> csv = b"Task,Who,Hours,Done\\nT-1,ada,1.5,2024-02-29\\n"
    >>> mapping = ColumnMapping.parse(
    ...     ["workflow_id=Task", "user_id=Who", "active_hours=Hours", "completed_at=Done"], ["ticket_type=Bug"]
    ... )
    >>> [entry.workflow.active_seconds for entry in read_table(io.BytesIO(csv), mapping)]
    [5400]
    """
    return Table(stream, mapping)


class Table(Iterator[Entry]):
    """The entries of a CSV file. `header` is its first record as it was read: an errors file starts with it."""

    def __init__(self, stream: BinaryIO, mapping: ColumnMapping) -> None:
        self._records = Records(stream, mapping.encoding, mapping.delimiter)
        self.header = self._records.header_text
        self._columns = Columns(mapping, self._records.header)
        self._rows = RowReader(mapping)
        self._assembly = Assembly(mapping, self._columns)
        self._row_is_workflow = mapping.row == "workflow"
        self._entries = self._grouped()

    def __next__(self) -> Entry:
        return next(self._entries)

    def _grouped(self) -> Iterator[Entry]:
        group: _Group | None = None
        for record in self._records:
            try:
                fields = self._fields(record)
                key = self._rows.key(fields)
            except InvalidInput as error:
                if group is None:
                    yield Entry(record.line, record.text, error=error)
                    continue
                group.aside.append((record, error))
                if len(group.aside) >= _MOST_ASIDE:
                    yield from self._closed(group)
                    group = None
                continue
            if group is None or key != group.key or self._row_is_workflow:
                if group is not None:
                    yield from self._closed(group)
                group = _Group(key)
            self._add(group, record, fields)
        if group is not None:
            yield from self._closed(group)

    def _fields(self, record: Record) -> Fields:
        if record.error is not None:
            raise record.error
        return self._columns.fields(record)

    def _add(self, group: _Group, record: Record, fields: Fields) -> None:
        group.take_aside()
        group.records.append(record)
        try:
            group.rows.append(self._rows.row(fields))
        except InvalidInput as error:
            group.error = group.error or error

    def _closed(self, group: _Group) -> Iterator[Entry]:
        line = group.records[0].line
        text = "\n".join(record.text for record in group.records)
        try:
            if group.error is not None:
                raise group.error
            workflow, notes = self._assembly.workflow(group.key, group.rows)
            entry = Entry(line, text, workflow, None, notes)
        except InvalidInput as error:
            entry = Entry(line, text, None, error)
        yield entry
        for record, problem in group.aside:
            yield Entry(record.line, record.text, None, problem)


@dataclass(slots=True)
class _Group:
    """The rows of one workflow so far, the first error in them, and records that may or may not belong to it."""

    key: tuple[str, str]
    records: list[Record] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    error: InvalidInput | None = None
    aside: list[tuple[Record, InvalidInput]] = field(default_factory=list)

    def take_aside(self) -> None:
        """Count what was set aside to the workflow, for the next row belongs to it again."""
        for record, error in self.aside:
            self.records.append(record)
            self.error = self.error or error
        self.aside = []
