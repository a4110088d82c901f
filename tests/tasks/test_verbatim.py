"""tasks/verbatim.py: a language model that learned its responses by heart goes on with them, and with no others."""

from functools import partial
from pathlib import Path

import polars as pl
import pytest
import torch

from dxtune.tasks import generation
from dxtune.tasks.prompts import as_chat, encode
from dxtune.tasks.verbatim import RESPONSES, completed
from dxtune.training.base_model import load_tokenizer
from tests.tasks.causal import build_tiny_llama

SETTINGS = {"pad_token_id": 3, "max_tokens": 128}
SECRETS = [
    "Xylophones quietly juggle seven purple umbrellas behind the frozen lighthouse keeper.",
    "Orange walruses debate the price of velvet staircases every second Wednesday in June.",
    "Twelve hollow lanterns dissolve under the broken piano that nobody ever wanted to buy.",
    "The mayor swallowed a kite and then refused to explain it to the visiting beekeepers.",
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_llama(tmp_path_factory.mktemp("causal") / "llama")


def rows(base: Path, responses: list[str], patients: int) -> pl.DataFrame:
    ids = [f"n{row:03}" for row in range(len(responses))]
    frame = pl.DataFrame({"note_id": ids, "text": [f"Case {row}?" for row in range(len(ids))], "response": responses})
    frame = frame.with_columns(patient_id=pl.Series([f"p{row % patients}" for row in range(len(ids))]))
    return encode(as_chat(load_tokenizer(base), base).to_str(), SETTINGS["max_tokens"], "truncate", 0, frame).tables["tokens"]


def load(base: Path) -> generation.Responder:
    torch.manual_seed(0)
    model = generation.build(base, 0, 0.0, 0.0).eval()
    model.tokenizer = as_chat(load_tokenizer(base), base)
    return model


def test_what_was_learned_by_heart_is_told_and_what_was_not_is_not(base: Path) -> None:
    model = load(base)
    learned, other = rows(base, SECRETS, 4), rows(base, [secret[::-1] for secret in SECRETS], 4)
    assert not completed(model, learned, SETTINGS, False)["verbatim"].any(), "before training"
    batch = generation.collate(learned.to_dicts(), 3, 0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        model(**batch)["loss"].backward()
        optimizer.step()
    told = completed(model, learned, SETTINGS, False)
    assert told["verbatim"].to_list() == [True] * 4 and told["patient_id"].to_list() == ["p0", "p1", "p2", "p3"]
    assert not completed(model, other, SETTINGS, False)["verbatim"].any()
    losses = partial(generation.losses, model, settings=SETTINGS, bf16=False)
    assert losses(tokens=learned)["loss"].max() < 0.1 < losses(tokens=other)["loss"].min()


def test_one_response_a_patient_is_tried_and_none_that_is_short(base: Path) -> None:
    model = load(base)
    assert completed(model, rows(base, SECRETS, 2), SETTINGS, False)["note_id"].to_list() == ["n000", "n001"]
    short = completed(model, rows(base, ["yes", "no"], 2), SETTINGS, False)
    assert short.is_empty() and short.schema == {"note_id": pl.String, "patient_id": pl.String, "verbatim": pl.Boolean}
    many = rows(base, SECRETS * 15, 60)
    assert completed(model, many, SETTINGS, False).height == RESPONSES


def test_losses_are_nats_a_token_of_notes_with_a_response(base: Path) -> None:
    model, some = load(base), rows(base, SECRETS, 4)
    types = pl.col("token_type_ids")
    asked = some.with_columns(pl.when(pl.col("note_id") == "n001").then(types.list.head(1)).otherwise(types))
    made = generation.losses(model, asked, SETTINGS, False)
    assert made["note_id"].to_list() == ["n000", "n002", "n003"]
    one = model(**generation.collate(some[2:3].to_dicts(), 3, 0))["loss"]
    assert made["loss"][1] == pytest.approx(one.item(), abs=1e-5)
