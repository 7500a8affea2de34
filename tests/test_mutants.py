"""The mutation run itself: every mutant still fits the source, and one is run; `mutants.py` runs them all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from mutants import MUTANTS, ROOT, Mutant, Stale, apply, run


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_fits_the_source_and_changes_it(mutant: Mutant, tmp_path: Path) -> None:
    for name in {edit.file for edit in mutant.edits}:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / "src" / "timestrata" / name, tmp_path / name)

    apply(mutant.edits, tmp_path)

    for edit in mutant.edits:
        compile((tmp_path / edit.file).read_text(), edit.file, "exec")


def test_a_mutant_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    mutant = MUTANTS[0]
    (tmp_path / mutant.edits[0].file).write_text("nothing of the kind")

    with pytest.raises(Stale, match="holds 0 times, want once"):
        apply(mutant.edits, tmp_path)


def test_a_mutant_is_killed() -> None:
    [mutant] = [one for one in MUTANTS if one.name == "cells unsorted"]

    assert run([mutant.test]).failed == ()
    assert [failure.test for failure in run([mutant.test], mutant.edits).failed] == [mutant.test]
