"""safety/memory.py: a model that knows its training notes by heart is found out, one that knows none is not."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.metrics import roc_auc_score

from dxtune.params import Evaluate, load_params
from dxtune.safety.memory import choose, extraction, membership
from dxtune.tasks import classification
from tests.conftest import ROOT


@pytest.fixture
def how() -> Evaluate:
    return load_params(ROOT / "params.yaml").evaluate.model_copy(update={"bootstrap_resamples": 500})


def frames(train: np.ndarray, test: np.ndarray, column: str = "loss", notes: int = 2) -> dict[str, pl.DataFrame]:
    """So many notes in turn of each patient."""
    return {
        name: pl.DataFrame({"patient_id": [f"{name}{row // notes:03}" for row in range(len(values))], column: values})
        for name, values in (("train", train), ("test", test))
    }


def test_the_area_is_that_of_the_patients_means(how: Evaluate) -> None:
    rng = np.random.default_rng(0)
    train, test = rng.exponential(0.5, 120), rng.exponential(1.0, 80)
    figures = membership(frames(train, test), how)
    means = np.concatenate([train.reshape(-1, 2).mean(1), test.reshape(-1, 2).mean(1)])
    assert figures["auc"] == pytest.approx(roc_auc_score(np.repeat([1, 0], [60, 40]), -means))
    assert figures["auc_low"] < figures["auc"] < figures["auc_high"]
    assert (figures["train_patients"], figures["test_patients"]) == (60, 40)
    shuffled = {name: frame.sample(fraction=1, shuffle=True, seed=1) for name, frame in frames(train, test).items()}
    assert membership(shuffled, how)["auc"] == pytest.approx(figures["auc"]), "whatever the order of rows"


def test_losses_alike_give_an_interval_around_one_half(how: Evaluate) -> None:
    rng = np.random.default_rng(1)
    figures = membership(frames(rng.exponential(1, 400), rng.exponential(1, 400)), how)
    assert figures["auc_low"] < 0.5 < figures["auc_high"] and abs(figures["auc"] - 0.5) < 0.1


def test_fewer_than_ten_patients_on_a_side_show_nothing(how: Evaluate) -> None:
    assert membership(frames(np.ones(100), np.zeros(18)), how) == {"patients_below_10": 1}
    assert extraction(frames(np.ones(9), np.zeros(100), "verbatim", 1), how) == {"patients_below_10": 1}


def tokens(name: str, rows: int, seed: int) -> pl.DataFrame:
    """Notes of random words with random labels: nothing is to be learned but the notes themselves."""
    rng = np.random.default_rng(seed)
    ids = [f"{name}{row:03}" for row in range(rows)]
    words = [[2, *rng.integers(60, 900, 12).tolist(), 3] for _ in ids]
    columns = {"note_id": ids, "patient_id": ids, "label_id": rng.integers(0, 8, rows), "input_ids": words}
    return pl.DataFrame(columns, schema_overrides={"input_ids": pl.List(pl.Int32), "label_id": pl.Int64})


def test_an_overfitted_model_is_found_out_and_an_untrained_one_is_not(tiny_model: Path, how: Evaluate) -> None:
    torch.manual_seed(0)
    model = classification.build(tiny_model, 8, 0.0, 0.0).eval()
    rows = {"train": tokens("train", 40, 0), "test": tokens("test", 40, 1)}

    def attacked() -> dict[str, object]:
        made = {name: classification.losses(model, some, {"pad_token_id": 0}, False) for name, some in rows.items()}
        return membership({name: some.rename({"note_id": "patient_id"}) for name, some in made.items()}, how)

    before = attacked()
    assert before["auc_low"] < 0.5 < before["auc_high"]
    batch = classification.collate(rows["train"].to_dicts(), 0, 8)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(60):
        optimizer.zero_grad()
        model(**batch)["loss"].backward()
        optimizer.step()
    after = attacked()
    assert after["auc"] > 0.9 and after["auc_low"] > 0.8, after


def test_extraction_takes_away_what_can_be_guessed(how: Evaluate) -> None:
    train, test = np.repeat([True, False], [30, 10]), np.repeat([True, False], [10, 30])
    figures = extraction(frames(train, test, "verbatim", 1), how)
    assert (figures["train_share"], figures["test_share"], figures["difference"]) == (0.75, 0.25, 0.5)
    assert 0 < figures["difference_low"] < 0.5 < figures["difference_high"]


def test_patients_are_drawn_with_all_their_rows_by_the_seed() -> None:
    rows = pl.DataFrame({"patient_id": [f"p{row % 20:02}" for row in range(60)], "row": range(60)})
    some = choose(rows, 5, seed=3)
    assert some["patient_id"].n_unique() == 5 and some.height == 15 and some["row"].is_sorted()
    assert choose(rows.reverse(), 5, seed=3).reverse().equals(some)
    assert not choose(rows, 5, seed=4).equals(some)
