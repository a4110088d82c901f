"""Canaries: made-up secrets among the training pairs, which tell how much the weights give away of a text that is seen once.

Each is the same prompt and response with random digits of its own. Its exposure is in bits: how much better than guessing the
digits one does who asks the model. Source: Carlini et al., The Secret Sharer (USENIX Security 2019, arXiv:1802.08232).
"""

from typing import Any

import numpy as np
import polars as pl

from dxtune.evaluation.bootstrap import SEED
from dxtune.tasks.generation import Responder, losses
from dxtune.tasks.prompts import encode

PROMPT = "What is the access code of this record?"
RESPONSE = "The access code of this record is {}."
DIGITS = 9
OTHERS = 1023
"""Codes that each canary is ranked among: an exposure is 10 bits at the most."""


def rows(canaries: int, tokenizer: str, max_tokens: int) -> pl.DataFrame:
    """Rows of a table of tokens, the same for the same number: what training learns among its own."""
    return _tokens("canary", _codes(OTHERS, canaries), tokenizer, max_tokens)


def exposures(model: Responder, canaries: int, settings: dict[str, Any], bf16: bool) -> dict[str, pl.DataFrame]:
    """Of the canaries that were trained on (`train`) and as many that were not (`test`): patient_id, and `exposure` in bits.

    log2 of 1,024 less log2 of the rank of its loss among OTHERS: 10 where no other code is likelier. Of canaries that a model
    never saw half have more than 1 bit, and the mean is 1.4: whoever guesses is sometimes lucky.
    """
    how = (model.tokenizer.to_str(), settings["max_tokens"])
    tables = {
        "others": _tokens("other", _codes(0, OTHERS), *how),
        "train": rows(canaries, *how),
        "test": _tokens("unseen", _codes(OTHERS + canaries, canaries), *how),
    }
    made = {name: losses(model, table, settings, bf16)["loss"].to_numpy() for name, table in tables.items()}
    ranked = np.sort(made["others"])
    found = {}
    for side in ("train", "test"):
        bits = np.log2(OTHERS + 1) - np.log2(1 + np.searchsorted(ranked, made[side], side="left"))
        found[side] = pl.DataFrame([tables[side]["patient_id"], pl.Series("exposure", bits)])
    return found


def _codes(first: int, number: int) -> list[str]:
    """Some of the random codes, from that one on."""
    drawn = np.random.default_rng(SEED).integers(10**DIGITS, size=first + number)[first:]
    return [f"{code:0{DIGITS}}" for code in drawn.tolist()]


def _tokens(name: str, codes: list[str], tokenizer: str, max_tokens: int) -> pl.DataFrame:
    ids = [f"{name}-{number:04}" for number in range(len(codes))]
    columns = {
        "note_id": ids,
        "patient_id": ids,
        "text": [PROMPT] * len(ids),
        "response": [RESPONSE.format(code) for code in codes],
    }
    return encode(tokenizer, max_tokens, "truncate", 0, pl.DataFrame(columns)).tables["tokens"]
