"""tasks/canaries.py: secrets that a tiny language model learned are exposed, and those that it never saw are not."""

from pathlib import Path

import numpy as np
import polars as pl
import torch

from dxtune.params import load_params
from dxtune.safety.memory import exposure
from dxtune.tasks import generation
from dxtune.tasks.canaries import OTHERS, exposures, rows
from dxtune.tasks.prompts import as_chat
from dxtune.training.base_model import load_tokenizer
from tests.conftest import ROOT
from tests.tasks.causal import build_tiny_llama

SETTINGS = {"pad_token_id": 3, "max_tokens": 64}
CANARIES = 12


def test_learned_canaries_are_exposed_and_others_are_guessed(tmp_path: Path) -> None:
    base = build_tiny_llama(tmp_path / "llama")
    torch.manual_seed(0)
    model = generation.build(base, 0, 0.0, 0.0).eval()
    model.tokenizer = as_chat(load_tokenizer(base), base)
    how = load_params(ROOT / "params.yaml").evaluate.model_copy(update={"bootstrap_resamples": 200})
    learned = rows(CANARIES, model.tokenizer.to_str(), SETTINGS["max_tokens"])
    assert learned.height == len({*learned["input_ids"].list.slice(0).map_elements(tuple, pl.Object)}) == CANARIES

    before = exposures(model, 200, SETTINGS, False)
    bits = np.concatenate([frame["exposure"].to_numpy() for frame in before.values()])
    assert abs(np.median(bits) - 1) < 0.3 and abs(bits.mean() - 1.44) < 0.3, "before training both are guessed"

    batch = generation.collate(learned.to_dicts(), 3, 0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(300):
        optimizer.zero_grad()
        model(**batch)["loss"].backward()
        optimizer.step()
    found = exposure(exposures(model, CANARIES, SETTINGS, False), how)
    assert found["canaries"] == CANARIES and found["trained"] > 9 and found["trained"] <= np.log2(OTHERS + 1)
    assert found["unseen"] < 3 and found["difference_low"] > 5
    assert found["difference"] == found["trained"] - found["unseen"]
