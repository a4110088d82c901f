"""The report with a comparison in it: one page, everything from data escaped, no small counts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from dxtune.comparing.compare import compare_sides
from dxtune.comparing.page import as_page
from dxtune.comparing.revisions import Side
from dxtune.params import Params
from dxtune.paths import Paths
from tests.reporting.conftest import write_metrics

CLASSES = ["a", "b"]


def figures(params: Params, name: str = "<HEAD>") -> dict[str, Any]:
    """Of two models on 120 notes of as many patients, 8 of them at a site of their own; the second one is better."""
    random = np.random.default_rng(0)
    truth = [CLASSES[number % 2] for number in range(120)]
    ids = {column: [f"{column[0]}{row:03}" for row in range(120)] for column in ("note_id", "patient_id")}
    sides = []
    for label, right in ((name, 0.9), ("workspace", 0.98)):
        sure = np.where(random.random(120) < right, 0.8, 0.3)
        said = [[value, 1 - value] if each == "a" else [1 - value, value] for value, each in zip(sure, truth, strict=True)]
        site = ["<small>" if row < 8 else "north & south" for row in range(120)]
        frame = pl.DataFrame({**ids, "label": truth, "probabilities": said, "site": site})
        sides.append(Side(label, "classification", frame, CLASSES, {}))
    return dict(compare_sides(*sides, params))


@pytest.fixture
def params(params_with: Callable[..., Params]) -> Params:
    return params_with(collect={"subgroup_columns": ["site"]}, evaluate={"bootstrap_resamples": 100})


def test_the_report_holds_the_comparison(params: Params, tmp_path: Path) -> None:
    found = figures(params)
    write_metrics(tmp_path / "metrics")
    page = as_page(found, params, Paths(tmp_path))
    section = page[page.index('<section id="comparison"') : page.index('<section id="figures"')]
    assert "Workspace beside &lt;HEAD&gt;" in section and "120 notes of 120 patients." in section
    assert f"<td>{found['metrics']['accuracy']['difference']:+.4f}</td>" in section and "<td>better</td>" in section
    assert section.count('class="plot"><svg') >= 5, "differences are drawn"
    assert "site: &lt;small&gt;" in section and "under 10 patients" in section and "north &amp; south" in section
    assert "<HEAD>" not in page and "<small>" not in page
    assert '<a href="#comparison">' in page and "Results on the test split" in page
    assert "n001" not in page, "no ids of notes"
    assert as_page(found, params, Paths(tmp_path)) == page
