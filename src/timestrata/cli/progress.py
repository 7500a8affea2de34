"""The progress of an import on standard error: nothing there when it is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from timestrata.cli.sources import Source
from timestrata.cli.wording import name


class _Rate(ProgressColumn):
    """Rows a second since the start."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.fields['rows'] / task.elapsed:,.0f}/s" if task.elapsed else "")


@contextmanager
def progress_bar(names: Sequence[str], rows: Callable[[], int]) -> Iterator[Callable[[Source], None]]:
    """Yield a function to call now and then while a source is read; `rows` tells how many came so far.

    The share and the time left are known when every input is a file, by the bytes that are read, packed or not.
    """
    console = Console(stderr=True)
    sizes = [Path(each).stat().st_size if Path(each).is_file() else None for each in names]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    before = dict(zip(names, accumulate((size or 0 for size in sizes), initial=0), strict=False))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total, rows=0)

        def advance(source: Source) -> None:
            done = before[source.name] + source.position if total is not None else 0
            bar.update(task, description=name(source.name), completed=done, rows=rows())

        yield advance
