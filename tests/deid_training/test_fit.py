"""How the scorer is made: families that can be read, gold spans where they say, and a fit that gives the same twice."""

import re
from itertools import pairwise

import numpy as np
import pytest

from dxtune.deid import scorer
from dxtune.deid_training import fit
from dxtune.deid_training.fill import FAMILIES, NEUTRAL, SAFE, SLOT, TYPES, Filled, corpus, read_family


@pytest.fixture(scope="module")
def texts() -> list[Filled]:
    return corpus(FAMILIES, 1, 5)


def test_every_slot_is_known_and_nothing_else_looks_like_one() -> None:
    for path in sorted(FAMILIES.glob("*.txt")):
        for block in read_family(path):
            assert {slot[1] for slot in SLOT.finditer(block)} <= {*TYPES, *SAFE, *NEUTRAL}, path.stem
            assert not re.search(r"\{\s*[A-Z]", SLOT.sub("", block)), path.stem


def test_gold_spans_are_in_order_inside_the_text_and_filled(texts: list[Filled]) -> None:
    assert len({one.family for one in texts}) >= 25
    for one in texts:
        assert all(0 <= start < end <= len(one.text) and one.text[start:end].strip() for start, end, _ in one.gold)
        assert all(left[1] <= right[0] for left, right in pairwise(one.gold))


def test_the_same_seed_fills_the_same(texts: list[Filled]) -> None:
    again = corpus(FAMILIES, 1, 5)
    assert [one.text for one in again] == [one.text for one in texts]
    assert [one.text for one in corpus(FAMILIES, 1, 6)] != [one.text for one in texts]


def test_a_fit_is_reproducible_and_finds_names_in_families_it_has_not_seen(
    texts: list[Filled], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "ROUNDS", 25)
    seen = [one for one in texts if one.family not in ("nursing", "radiology")]
    hashed, labels = fit.examples(seen, 1)
    table = fit.fit(hashed, labels)
    assert np.array_equal(table, fit.fit(*fit.examples(seen, 1)))
    unseen = [one for one in texts if one.family in ("nursing", "radiology")]
    figures = fit.measure(unseen, scorer.lanes(table), fit.THRESHOLD)
    assert figures.any > 0.9 and figures.non_phi_lost < 0.15
