"""corpus/leaks.py, drift.py, label_errors.py and profile.py: figures against cases worked out by hand, or another library."""

import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import ks_2samp
from sklearn.metrics import roc_auc_score

from dxtune.corpus.drift import area_under_curve, label_psi, length_ks, split_auc
from dxtune.corpus.label_errors import find_label_errors
from dxtune.corpus.leaks import find_leaks, wilson_lower
from dxtune.corpus.profile import exclusions, table_one
from dxtune.corpus.review import check_leaks, read_sample
from dxtune.errors import DataError, LeakageError
from dxtune.shards.corpus import shard_name, write_corpus, write_manifest

WORDS = [f"w{chr(97 + at // 26)}{chr(97 + at % 26)}" for at in range(200)]


def notes_of(patients: int, leaking: int, seed: int = 0) -> pl.DataFrame:
    """Notes of random words of half `flu`, half `gout`; the first `leaking` patients with gout have the word tophus."""
    draw = random.Random(seed)
    rows = []
    for at in range(patients):
        gout = at % 2 == 1
        text = " ".join(draw.choices(WORDS, k=30)) + (" tophus" if gout and at // 2 < leaking else "")
        rows.append((f"n{at}", f"p{at}", ["gout" if gout else "flu"], text))
    return pl.DataFrame(rows, schema=["note_id", "patient_id", "labels", "text"], orient="row")


@pytest.mark.parametrize("kept", [0, 7, 25])
def test_the_sample_has_every_text_wherever_it_stands(tmp_path: Path, kept: int) -> None:
    """kept: how many texts of each shard stand in the small corpus, too."""
    notes = notes_of(50, leaking=5)
    write_corpus(notes, tmp_path / "notes", 25)
    write_corpus(notes.filter(pl.int_range(pl.len()) % 25 < kept).select("note_id", "text"), tmp_path / "sample", max(kept, 1))
    if kept == 0:  # a corpus has a shard for each of the other, empty ones too
        write_corpus(notes.clear().select("note_id", "text"), tmp_path / "sample")
        (tmp_path / "sample" / shard_name(1)).write_bytes((tmp_path / "sample" / shard_name(0)).read_bytes())
        write_manifest({shard_name(0): 0, shard_name(1): 0}, tmp_path / "sample")
    narrow = notes.select("note_id", "patient_id", "labels").with_columns(
        text_hash=pl.Series([bytes([7 * at % 50]) for at in range(50)]),
        split=pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.lit("test")).otherwise(pl.lit("train")),
        shard=pl.Series([shard_name(at // 25) for at in range(50)]),
    )
    found = read_sample(narrow, tmp_path)
    for split in ("train", "test"):
        wanted = (
            narrow.filter(split=split)
            .sort("text_hash")
            .join(notes.select("note_id", "text"), on="note_id", maintain_order="left")
        )
        assert found[split].select("note_id", "text").equals(wanted.select("note_id", "text"))


def test_a_word_of_one_label_is_a_leak_and_others_are_not() -> None:
    found, share = find_leaks(notes_of(200, leaking=60))
    assert found.select("token", "label", "patients", "precision", "lift").rows() == [("tophus", "gout", 60, 1.0, 2.0)]
    assert share == 0.3


@pytest.mark.parametrize("leaking", [9, 34])
def test_too_few_patients_prove_nothing_and_are_not_listed(leaking: int) -> None:
    assert find_leaks(notes_of(200, leaking))[0].is_empty()


def test_many_notes_of_few_patients_prove_nothing() -> None:
    notes = notes_of(200, leaking=60)
    same = pl.col("text").str.contains("tophus")
    assert find_leaks(notes.with_columns(patient_id=pl.when(same).then(pl.lit("p0")).otherwise("patient_id")))[0].is_empty()


def test_a_word_with_exceptions_is_no_leak() -> None:
    notes = notes_of(200, leaking=60)
    flu = pl.int_range(pl.len()).is_in([0, 2, 4])
    assert find_leaks(notes.with_columns(text=pl.when(flu).then(pl.col("text") + " tophus").otherwise("text")))[0].is_empty()


def test_notes_without_labels_or_words_have_no_leaks() -> None:
    notes = notes_of(40, leaking=20)
    assert find_leaks(notes.with_columns(labels=pl.lit([], pl.List(pl.String))))[1] == 0.0
    assert find_leaks(notes.with_columns(text=pl.lit("1 2 3")))[1] == 0.0
    assert find_leaks(notes.clear())[1] == 0.0


def test_wilson_interval_by_hand() -> None:
    # 81 of 263, in Newcombe 1998, Statistics in Medicine 17:857, table I: 0.2553 to 0.3662
    assert wilson_lower(np.array([81 / 263]), [263]).round(4).tolist() == [0.2553]


def test_too_many_leaks_are_an_error_that_names_no_word() -> None:
    found, share = find_leaks(notes_of(200, leaking=60))
    check_leaks(found, share, 0.3)
    with pytest.raises(LeakageError, match=r"at most 20% .* found 30%: 1 words, of the labels gout, .*drop_sections") as caught:
        check_leaks(found, share, 0.2)
    assert "tophus" not in str(caught.value)


def test_drift_of_labels_and_lengths() -> None:
    counts = {"flu": {"train": 10, "test": 10}, "gout": {"train": 10, "test": 10}}
    assert label_psi(counts, "test") == 0.0
    assert label_psi({"flu": {"train": 10, "test": 0}, "gout": {"train": 0, "test": 10}}, "test") > 10
    draw = np.random.default_rng(0)
    for one, other in ((draw.integers(0, 30, 50), draw.integers(5, 40, 80)), (draw.integers(0, 3, 40), draw.integers(0, 3, 7))):
        assert length_ks(pl.Series(one), pl.Series(other)) == pytest.approx(ks_2samp(one, other).statistic, abs=1e-6)


def test_area_under_the_curve_is_that_of_scikit_learn() -> None:
    scores = np.random.default_rng(0).integers(0, 9, 60).astype(float)
    classes = np.arange(60) % 3 == 0
    assert area_under_curve(scores[classes], scores[~classes]) == pytest.approx(roc_auc_score(classes, scores))


def test_classifier_tells_splits_of_other_words_and_not_those_of_the_same() -> None:
    train = notes_of(300, 0, seed=1)
    same = notes_of(100, 0, seed=2).with_columns(patient_id="q" + pl.col("patient_id"))
    alike, other = split_auc(train, same), split_auc(train, same.with_columns(text=pl.col("text") + " scanned form"))
    assert alike is not None and abs(alike - 0.5) < 0.15
    assert other is not None and other > 0.99
    assert split_auc(train.head(1), same.head(1)) is None


def test_likely_label_errors_are_listed_and_nothing_is_changed() -> None:
    pytest.importorskip("cleanlab", reason="cleanlab is not installed: pip install 'dxtune[quality]'")
    draw = random.Random(3)
    words = {"flu": ["fever", "cough", "aches", "chills"], "gout": ["toe", "swollen", "urate", "red"]}
    rows = [
        (
            f"n{at}",
            f"p{at // 2}",
            ["flu" if at % 4 < 2 else "gout"],
            " ".join(draw.choices(words["flu" if at % 4 < 2 else "gout"], k=8)),
        )
        for at in range(120)
    ]
    notes = pl.DataFrame(rows, schema=["note_id", "patient_id", "labels", "text"], orient="row")
    wrong = notes.with_columns(
        labels=pl.when(pl.col("note_id").is_in(["n4", "n10"])).then(pl.lit(["gout"])).otherwise("labels")
    )
    before = wrong.clone()
    assert notes["labels"][4].to_list() == ["flu"] and notes["labels"][10].to_list() == ["gout"]
    assert find_label_errors(wrong).select("note_id", "label", "likely_label").rows() == [("n4", "gout", "flu")]
    assert wrong.equals(before)
    assert find_label_errors(notes).is_empty()


def test_label_errors_need_enough_patients_and_one_label() -> None:
    pytest.importorskip("cleanlab", reason="cleanlab is not installed: pip install 'dxtune[quality]'")
    with pytest.raises(DataError, match="two labels with 5 training patients each"):
        find_label_errors(notes_of(8, 0))
    with pytest.raises(DataError, match="one label each"):
        find_label_errors(notes_of(8, 0).with_columns(labels=pl.lit(["flu", "gout"])))


def test_participants_are_counted_once_and_small_cells_are_hidden() -> None:
    rows = [(f"p{at // 2}", "train" if at < 40 else "test", ["flu"], at, "2019", "f" if at < 44 else None) for at in range(60)]
    notes = pl.DataFrame(rows, schema=["patient_id", "split", "labels", "characters", "note_year", "sex"], orient="row")
    table = {(variable, value): cells for variable, value, *cells in table_one(notes, ("sex",)).iter_rows()}
    assert table["patients", ""] == ["20", "0", "10"]
    assert table["notes", ""] == ["40", "0", "20"]
    assert table["characters of a note", "median (quartiles)"] == ["20 (10 to 29)", "0", "50 (45 to 54)"]
    assert table["label", "flu"] == ["20 (100.0)", "0", "10 (100.0)"]
    assert table["sex", "f"] == ["20 (100.0)", "0", "<10"]
    assert table["sex", "unknown"] == ["0", "0", "<10"]


def test_exclusions_are_a_flow_of_notes_and_patients() -> None:
    patients = pl.DataFrame({"note_id": [f"n{at}" for at in range(30)], "patient_id": [f"p{at // 2}" for at in range(30)]})
    quarantine = pl.DataFrame({"note_id": [f"n{at}" for at in range(24)], "reason": ["short"] * 24})
    dropped = pl.DataFrame({"note_id": ["n28"], "reason": ["copy"]})
    assert exclusions(quarantine, dropped, patients).rows() == [("copy", 1, "<10"), ("short", 24, "12")]
