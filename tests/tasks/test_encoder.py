"""tasks/encoder.py: pooling, batches, and a model that comes back as it was saved."""

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from transformers import BertConfig, BertModel

from dxtune.errors import ModelError
from dxtune.tasks import classification, encoder

ROWS = [{"input_ids": [2, 10, 11, 3], "label_id": 1}, {"input_ids": [2, 12, 3], "label_id": 0}]


def test_a_batch_is_padded_to_a_multiple_of_eight_and_padding_changes_nothing(tiny_model: Path) -> None:
    batch = classification.collate(ROWS, pad_id=7, labels=2)
    assert batch["input_ids"].tolist() == [[2, 10, 11, 3, 7, 7, 7, 7], [2, 12, 3, 7, 7, 7, 7, 7]]
    assert batch["attention_mask"].sum(1).tolist() == [4, 3]
    assert batch["labels"].tolist() == [1, 0]
    torch.manual_seed(0)
    model = classification.build(tiny_model, 2, 0.0, 0.0).eval()
    alone = model(input_ids=torch.tensor([[2, 12, 3]]), attention_mask=torch.ones(1, 3, dtype=torch.long))["logits"]
    together = model(batch["input_ids"], batch["attention_mask"])["logits"][1:]
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)


def test_loss_is_the_mean_cross_entropy(tiny_model: Path) -> None:
    model = classification.build(tiny_model, 2, 0.0, 0.0).eval()
    out = model(**classification.collate(ROWS, 0, 2))
    expected = torch.nn.functional.cross_entropy(out["logits"], torch.tensor([1, 0]))
    torch.testing.assert_close(out["loss"], expected)


def test_a_trained_pooler_is_used_and_an_untrained_one_is_not(tiny_model: Path, tmp_path: Path) -> None:
    assert encoder.pooling_of(tiny_model) == "mean"
    folder = Path(shutil.copytree(tiny_model, tmp_path / "pooled"))
    BertModel(BertConfig.from_pretrained(folder), add_pooling_layer=True).save_pretrained(folder)
    assert encoder.pooling_of(folder) == "pooler"
    model = classification.build(folder, 2, 0.0, 0.0).eval()
    batch = classification.collate(ROWS, 0, 2)
    expected = model.head(model.encoder(batch["input_ids"], batch["attention_mask"]).pooler_output)
    torch.testing.assert_close(model(batch["input_ids"], batch["attention_mask"])["logits"], expected)
    (folder / "modules.json").write_text("[]")  # a sentence-transformers checkpoint: its pooler was never trained
    assert encoder.pooling_of(folder) == "mean"
    assert not [name for name in classification.build(folder, 2, 0.0, 0.0).state_dict() if "pooler" in name]


@pytest.mark.parametrize("pooled", [False, True])
def test_saved_and_loaded_gives_the_same_logits(tiny_model: Path, tmp_path: Path, pooled: bool) -> None:
    base = Path(shutil.copytree(tiny_model, tmp_path / "base"))
    if pooled:
        BertModel(BertConfig.from_pretrained(base), add_pooling_layer=True).save_pretrained(base)
    model = classification.build(base, 2, 0.1, 0.0).eval()
    classification.save(model, tmp_path / "saved", ["b", "a"], {"max_tokens": 9})
    loaded, labels, settings = classification.load(tmp_path / "saved")
    batch = classification.collate(ROWS, 0, 2)
    assert torch.equal(model(**batch)["logits"], loaded(**batch)["logits"])
    assert (labels, settings["max_tokens"], settings["pooling"]) == (["b", "a"], 9, "pooler" if pooled else "mean")
    again = classification.build(base, 2, 0.1, 0.0)
    again.load_state_dict(model.state_dict())
    classification.save(again, tmp_path / "again", ["b", "a"], {"max_tokens": 9})
    for path in (tmp_path / "saved").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()
        assert str(tmp_path).encode() not in path.read_bytes(), "no path inside a tracked output"


def test_a_model_that_does_not_fit_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    model = classification.build(tiny_model, 2, 0.0, 0.0)
    classification.save(model, tmp_path / "m", ["a", "b"], {})
    (tmp_path / "m/labels.json").write_text(json.dumps(["a", "b", "c"]))
    with pytest.raises(ModelError, match="3"):
        classification.load(tmp_path / "m")
    (tmp_path / "m/model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors is missing"):
        classification.load(tmp_path / "m")


def test_many_batches_come_in_their_order_whatever_the_threads() -> None:
    rows = [list(range(5, 5 + length)) for length in np.random.default_rng(0).permutation(np.arange(100, 300))]
    tokens = pl.DataFrame({"input_ids": rows}, schema={"input_ids": pl.List(pl.Int32)})
    before = torch.get_num_threads()
    made = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found = list(
                encoder.in_batches(lambda **batch: batch["attention_mask"].sum(1, keepdim=True), tokens, 0, False, apart=True)
            )
            assert torch.get_num_threads() == threads, "for whatever comes next"
            assert len(found) > 2 * threads, "enough for the threads to share"
            assert all(values.ravel().tolist() == [len(rows[number]) for number in numbers] for numbers, values in found)
            made.append([numbers for numbers, _ in found])
    finally:
        torch.set_num_threads(before)
    assert made[0] == made[1]


def test_threads_that_compute_apart_stay_and_each_is_alone() -> None:
    tokens = pl.DataFrame({"input_ids": [[5] * 300] * 60}, schema={"input_ids": pl.List(pl.Int32)})
    before = torch.get_num_threads()
    seen: list[tuple[threading.Thread, int]] = []  # the threads themselves: a number is given again once a thread has ended

    def look(**batch: torch.Tensor) -> torch.Tensor:
        seen.append((threading.current_thread(), torch.get_num_threads()))
        return batch["input_ids"]

    try:
        torch.set_num_threads(2)
        for _ in range(3):
            list(encoder.in_batches(look, tokens, 0, False, apart=True))
    finally:
        torch.set_num_threads(before)
    assert {threads for _, threads in seen} == {1} and threading.current_thread() not in {thread for thread, _ in seen}
    assert len({thread for thread, _ in seen}) <= 2, "no new ones, whose memory is fresh pages"


def test_batches_apart_are_alike() -> None:
    lengths = np.random.default_rng(1).integers(150, 240, 220).tolist()
    groups = list(encoder.batches(lengths, encoder.even(lengths, encoder.THREAD_TOKENS)))
    sizes = [len(numbers) * max(lengths[number] for number in numbers) for numbers in groups]
    assert len(sizes) % 2 == 0 and max(sizes) <= encoder.THREAD_TOKENS and min(sizes) > 0.8 * max(sizes)


def test_an_error_in_a_batch_is_raised_and_the_threads_are_as_before() -> None:
    tokens = pl.DataFrame({"input_ids": [[5] * 300] * 60}, schema={"input_ids": pl.List(pl.Int32)})
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with pytest.raises(ZeroDivisionError):
            list(encoder.in_batches(lambda **_: 1 // 0, tokens, 0, False, apart=True))  # type: ignore[arg-type,return-value]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
