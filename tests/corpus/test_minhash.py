"""corpus/minhash.py: near duplicates against the exact Jaccard similarity of all pairs."""

import random
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dxtune.corpus import minhash
from dxtune.corpus.minhash import WORDS, cluster, shingle, sign, unpack

VOCABULARY = [f"word{i}" for i in range(300)]


def runs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[at : at + WORDS]) for at in range(len(words) - WORDS + 1)}


def jaccard(one: str, other: str) -> float:
    left, right = runs(one), runs(other)
    return len(left & right) / len(left | right) if left | right else 0.0


def variants(seed: int, families: int, size: int) -> list[str]:
    """Texts of 60 to 200 words; in each family copies with more and more words replaced."""
    draw = random.Random(seed)
    texts = []
    for _ in range(families):
        words = draw.choices(VOCABULARY, k=draw.randint(60, 200))
        for changes in range(size):
            copy = list(words)
            for at in draw.sample(range(len(copy)), changes):
                copy[at] = draw.choice(VOCABULARY)
            texts.append(" ".join(copy))
    return texts


def clusters(texts: list[str], similarity: float = 0.8) -> list[int]:
    notes = pl.DataFrame({"note_id": [f"n{at:05}" for at in range(len(texts))], "text": texts})
    return cluster(unpack([sign(notes)], notes.height), notes["note_id"], similarity).to_list()


def test_pairs_far_from_the_limit_are_told_as_the_exact_similarity_tells_them() -> None:
    texts = variants(1, families=40, size=6)
    found = clusters(texts)
    for family in range(40):
        members = range(6 * family, 6 * family + 6)
        for one in members:
            for other in members:
                if jaccard(texts[one], texts[other]) >= 0.92:
                    assert found[one] == found[other]
    for at, first in enumerate(found):
        same = [other for other, mark in enumerate(found) if mark == first and other != at]
        assert not same or max(jaccard(texts[at], texts[other]) for other in same) >= 0.65


def test_estimate_of_the_similarity_is_close_to_the_exact_one() -> None:
    texts = variants(2, families=60, size=5)
    sketches = np.frombuffer(b"".join(sign(pl.DataFrame({"text": texts}))["sketch"]), np.uint8).reshape(len(texts), -1)
    errors = []
    for family in range(60):
        for other in range(1, 5):
            share = float((sketches[5 * family] == sketches[5 * family + other]).mean())
            errors.append((share - 1 / 256) / (1 - 1 / 256) - jaccard(texts[5 * family], texts[5 * family + other]))
    assert abs(float(np.mean(errors))) < 0.01
    assert float(np.std(errors)) < 0.06, "126 values: a standard error of 0.045 at the most"


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_order_of_rows_does_not_matter(seed: int) -> None:
    texts = variants(seed, families=6, size=4)
    notes = pl.DataFrame({"note_id": [f"n{at:05}" for at in range(len(texts))], "text": texts})
    shuffled = notes.sample(fraction=1, shuffle=True, seed=seed)
    first, second = (
        frame.with_columns(cluster(unpack([sign(frame)], len(texts)), frame["note_id"], 0.8)) for frame in (notes, shuffled)
    )
    assert first.select("note_id", "cluster").equals(second.sort("note_id").select("note_id", "cluster"))


def test_links_are_joined_and_unrelated_notes_stay_alone() -> None:
    words = VOCABULARY[:200]
    middle, far = words.copy(), words.copy()
    middle[10], far[10], far[150], far[151] = "x", "x", "y", "z"
    texts = [" ".join(far), " ".join(VOCABULARY[100:250]), " ".join(middle), " ".join(words)]
    assert clusters(texts, 0.93) == [0, 1, 0, 0]


def test_case_and_punctuation_do_not_count_and_short_texts_have_no_signature() -> None:
    texts = ["Seen today: no fever, no cough.", "seen today no fever NO cough", "no fever", "no fever", ""]
    assert clusters(texts, 1.0) == [0, 0, 2, 3, 4]
    assert sign(pl.DataFrame({"text": texts}))["sketch"].is_null().to_list() == [False, False, True, True, True]


def test_shingles_do_not_run_from_one_text_into_the_next() -> None:
    apart, offsets = shingle(pl.Series(["a b c d", "e f g h i"]))
    assert (len(apart), offsets.tolist()) == (1, [0, 0, 1])
    assert shingle(pl.Series(["e f g h i"]))[0].tolist() == apart.tolist()


def test_a_bucket_of_many_notes_costs_no_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    copies, alike = 50_000, 2_000
    start = " ".join(VOCABULARY[:40])
    signed = sign(pl.DataFrame({"text": [start, *(f"{start} {at}" for at in range(alike))]}))
    every = pl.concat([signed[:1]] * copies + [signed[1:]])
    compared = []
    similar = minhash._similar
    monkeypatch.setattr(minhash, "_similar", lambda all_, left, *rest: compared.append(len(left)) or similar(all_, left, *rest))
    ids = pl.Series([f"n{at:05}" for at in range(every.height)])
    assert cluster(unpack([every], every.height), ids, 0.8).n_unique() == 1
    assert sum(compared) <= 2 * minhash.BANDS * alike, "twice a band and note; copies are never compared"
