"""Output for machines: JSON and CSV, always UTF-8, on standard output."""

from __future__ import annotations

import json
import sys

from timestrata.formats.result_json import document
from timestrata.formats.sheets import Sheet, csv_text


def write_bytes(data: bytes) -> None:
    """Write to standard output, whatever the encoding of its text is."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def write_json(result: object) -> None:
    """Print a result of the library as JSON."""
    text = json.dumps(document(result), indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(text.encode() + b"\n")


def write_csv(sheet: Sheet) -> None:
    """Print rows as CSV."""
    write_bytes(csv_text(sheet).encode())
