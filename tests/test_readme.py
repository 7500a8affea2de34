"""The README tells the truth: its commands are the ones that run, its outputs the ones that come."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", README, re.DOTALL)


def test_the_first_two_commands_set_everything_up() -> None:
    demo, tests = (block.strip() for block in blocks("console")[:2])

    assert demo == "python3 -m pip install --quiet uv && python3 -m uv run --quiet --no-dev timestrata demo"
    assert tests.startswith("python3 -m pip install --quiet uv && python3 -m uv run --quiet pytest")


def test_the_demo_prints_what_the_readme_shows(tmp_path: Path) -> None:
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "timestrata", "demo", "--database", str(tmp_path / "demo.db")]
    printed = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=True).stdout
    lines = {line.rstrip() for line in printed.splitlines()}

    missing = [line for line in blocks("text")[0].splitlines() if line not in lines]

    assert missing == []


def test_the_library_example_prints_what_the_readme_shows(tmp_path: Path) -> None:
    [example] = blocks("python")

    printed = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, encoding="utf-8", check=True
    ).stdout

    assert printed == blocks("text")[2]


def test_every_file_that_is_named_is_there() -> None:
    names = re.findall(r"\]\(([^)#]+)\)", README)

    assert names
    assert [name for name in names if not (ROOT / name).exists()] == []
