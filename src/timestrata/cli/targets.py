"""Where a command writes a file of one of several forms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from timestrata.cli import screen
from timestrata.cli.output import write_bytes
from timestrata.cli.replacing import replacing
from timestrata.cli.wording import name
from timestrata.errors import InvalidRequest

_STDOUT = Path("-")


def target_form(form: str | None, target: Path, forms: Sequence[str]) -> str:
    """Return the form that is asked for, else that of the file's ending. Raises InvalidRequest for another one."""
    if form is None:
        if target == _STDOUT:
            raise InvalidRequest("--format", form, f"one of {', '.join(forms)}, for standard output")
        form = target.suffix.lower().removeprefix(".")
        if form not in forms:
            endings = ", ".join(f".{each}" for each in forms)
            raise InvalidRequest(
                "--output", str(target), f"a file that ends in one of {endings}, or --format beside it"
            )
    if form not in forms:
        raise InvalidRequest("--format", form, f"one of {', '.join(forms)}")
    return form


def write_target(target: Path, content: bytes, what: str) -> None:
    """Write a file whole or not at all and say so; - is standard output. Raises InvalidRequest."""
    if target == _STDOUT:
        write_bytes(content)
        return
    with replacing("--output", target) as stream:
        stream.write(content)
    screen.note(f"{what} written to {name(str(target))}")
