"""Generation: a prompt gets a response, written by a causal language model. The loss is on responses alone.

Training goes through the same trainer as every task, not through TRL's SFTTrainer: docs/tasks.md says why, and a test
holds the two side by side.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

from dxtune.errors import ModelError
from dxtune.evaluation.unlike import fit_familiar, unlike, warning
from dxtune.tasks.checkpointed import Checkpointed
from dxtune.tasks.encoder import FAMILIAR, SETTINGS, WEIGHTS, batches, by_row, load_settings, save_settings
from dxtune.tasks.notes import list_column
from dxtune.tasks.prompts import end_token, template_ids
from dxtune.training.base_model import load_tokenizer

AT_ONCE = 2048
"""Tokens whose probabilities are held at the same time without gradients: 600 MB for a vocabulary of 49,152."""
IGNORED = -100
"""The label of a token that is not learned, as torch and transformers have it."""


@dataclass(frozen=True)
class Response:
    """What the model writes after one prompt, and how unlike the prompts of training that is, 0 to 1."""

    text: str
    unlike: float

    def __str__(self) -> str:
        """The text, and a warning where the prompt is unlike those of training."""
        return "\n".join([self.text, *warning(self.unlike)])


class Responder(Checkpointed):
    """A causal language model that learns responses. encoder: the language model, under the name that all tasks have for it."""

    pooling = "none"

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.tokenizer: Any = None  # of a model that `load` gives: answers are text

    def forward(
        self,
        input_ids: torch.Tensor,
        labels: torch.Tensor,
        position_ids: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> dict[str, torch.Tensor]:
        """`logits` (batch, 2): of each row the sum of the negative log-likelihoods of its labels, and how many there are.

        `loss`: their mean over the tokens of the whole effective batch that have a label. Rows are filled up on the right and
        nothing looks to its right, so padding needs no mask. position_ids: where several pairs stand in a row (`pack`), each
        begins at 0, and sees itself alone. Many rows are halved where nothing learns: rows for validation are never packed.
        """
        if not self.training and len(labels) > 1 and labels.numel() > AT_ONCE:
            half = len(labels) // 2
            parts = [self(input_ids[rows], labels[rows])["logits"] for rows in (slice(half), slice(half, None))]
            logits = torch.cat(parts)
            return {"loss": logits[:, 0].sum() / logits[:, 1].sum(), "logits": logits}
        places = {} if position_ids is None else {"position_ids": position_ids}
        targets = labels[:, 1:]
        learned = targets != IGNORED
        kept = learned.any(0).nonzero().squeeze(1)  # a vocabulary is large: logits only where some row needs them
        scores = self.encoder(input_ids=input_ids, use_cache=False, logits_to_keep=kept, **places).logits
        own = learned[:, kept]
        losses = functional.cross_entropy(scores[own].float(), targets[:, kept][own], reduction="none")
        by_row = losses.new_zeros(len(labels)).index_add(0, own.nonzero()[:, 0], losses)
        tokens = learned.sum(1)
        count = tokens.sum() if num_items_in_batch is None else num_items_in_batch
        return {"loss": by_row.sum() / count, "logits": torch.stack([by_row, tokens.to(by_row.dtype)], 1)}


def build(base: Path, labels: int, hidden_dropout: float, attention_dropout: float) -> Responder:
    """The base model in a folder, in fp32. Generation has no labels, and causal models of today no hidden dropout."""
    config = AutoConfig.from_pretrained(base, trust_remote_code=False)
    if hasattr(config, "attention_dropout"):
        config.attention_dropout = attention_dropout
    model = AutoModelForCausalLM.from_pretrained(
        base, config=config, dtype=torch.float32, trust_remote_code=False, use_safetensors=True
    )
    model.generation_config = GenerationConfig.from_model_config(config)  # no sampling, whatever the checkpoint suggests
    return Responder(model)


def fit_head(model: Responder, tokens: pl.DataFrame, pad_id: int, bf16: bool) -> dict[str, Any]:
    """Nothing: a language model's head has been trained."""
    model.train()
    return {}


def pack(tokens: pl.DataFrame, max_tokens: int) -> pl.DataFrame:
    """Rows of several pairs each, up to max_tokens long, as full as best-fit-decreasing makes them.

    `position_ids` begins at 0 with each pair; `note_id` names all of a row, with a comma between.
    """
    order = tokens.with_row_index("row").sort(pl.col("length"), pl.col("note_id"), descending=[True, False])
    bins: list[list[int]] = []
    rooms: list[tuple[int, int]] = []  # what is left in each bin, and its number; sorted
    for row, length in order.select("row", "length").iter_rows():
        best = bisect_left(rooms, (length, 0))
        left, place = rooms.pop(best) if best < len(rooms) else (max_tokens, len(bins))
        if place == len(bins):
            bins.append([])
        bins[place].append(row)
        insort(rooms, (left - length, place))

    def joined(name: str) -> list[list[int]]:
        values = tokens[name].to_list()
        return [[value for row in rows for value in values[row]] for rows in bins]

    lengths = tokens["length"].to_list()
    names, patients = tokens["note_id"].to_list(), tokens["patient_id"].to_list()
    ids = list_column("input_ids", joined("input_ids"))
    places = [[place for row in rows for place in range(lengths[row])] for rows in bins]
    return pl.DataFrame(
        [
            pl.Series("note_id", [",".join(names[row] for row in rows) for rows in bins]),
            pl.Series("patient_id", [",".join(patients[row] for row in rows) for rows in bins]),
            ids,
            list_column("token_type_ids", joined("token_type_ids")),
            list_column("position_ids", places),
            ids.list.len().cast(pl.Int32).alias("length"),
        ]
    )


def collate(rows: list[dict[str, Any]], pad_id: int, labels: int) -> dict[str, torch.Tensor]:
    """A batch with `labels` (batch, length): the token itself where it is one of a response."""
    shape = len(rows), -(-max(len(row["input_ids"]) for row in rows) // 8) * 8
    ids, learned = np.full(shape, pad_id, dtype=np.int64), np.full(shape, IGNORED, dtype=np.int64)
    places = np.zeros(shape, dtype=np.int64)  # of padding, too: each looks at itself alone
    for number, row in enumerate(rows):
        end = len(row["input_ids"])
        ids[number, :end] = row["input_ids"]
        learned[number, :end] = np.where(np.array(row["token_type_ids"]) == 1, row["input_ids"], IGNORED)
        places[number, :end] = row.get("position_ids", 0)
    batch = {"input_ids": torch.from_numpy(ids), "labels": torch.from_numpy(learned)}
    return batch | ({"position_ids": torch.from_numpy(places)} if "position_ids" in rows[0] else {})


def scorer(validation: pl.DataFrame) -> Callable[[np.ndarray], dict[str, float]]:
    """A function from the logits of validation's rows to the mean log-likelihood of a response's token, in nats."""

    def score(logits: np.ndarray) -> dict[str, float]:
        nll = float(logits[:, 0].sum(dtype=np.float64) / logits[:, 1].sum(dtype=np.float64))
        return {"log_likelihood": -nll, "perplexity": float(np.exp(nll))}

    return score


def fit(model: Responder, validation: pl.DataFrame, settings: dict[str, Any], bf16: bool) -> dict[str, Any]:
    """`familiar`: what validation's prompts are like. The likeliest token needs no threshold."""
    prompts = prompts_of(validation)
    vectors = _vectors(model, prompts, settings, bf16)
    alike = np.zeros(prompts.height, dtype=np.int64)  # of one group
    return {"familiar": fit_familiar(vectors, alike, prompts, settings["unk_token_id"], model.tokenizer.decode)}


def prompts_of(tokens: pl.DataFrame) -> pl.DataFrame:
    """The same pairs without their responses."""
    rows = zip(tokens["input_ids"].to_list(), tokens["token_type_ids"].to_list(), strict=True)
    prompts = list_column("input_ids", [ids[: kinds.count(0)] for ids, kinds in rows])
    return tokens.drop("token_type_ids").with_columns(prompts)


def _vectors(model: Responder, prompts: pl.DataFrame, settings: dict[str, Any], bf16: bool) -> np.ndarray:
    """The mean of the last layer's vectors of each prompt's tokens, (prompts, size)."""

    def mean(input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        output = model.encoder.base_model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)
        weights = attention_mask.unsqueeze(-1).to(output.last_hidden_state.dtype)
        vectors: torch.Tensor = (output.last_hidden_state * weights).sum(1) / weights.sum(1)
        return vectors

    return by_row(mean, prompts, settings["pad_token_id"], bf16)


def predict(model: Responder, tokens: pl.DataFrame, settings: dict[str, Any], bf16: bool) -> pl.DataFrame:
    """One row a note, in the order of `tokens`: note_id and what records.OUTPUTS names.

    An answer is the likeliest token after the likeliest token, at most half of max_tokens of them: the same text each time.
    """
    tokenizer, pad_id = model.tokenizer, settings["pad_token_id"]
    rows = tokens.select("input_ids", "token_type_ids").to_dicts()
    ends = [row["token_type_ids"].count(0) for row in rows]
    answers: list[list[int]] = [[] for _ in rows]
    likelihood = _likelihood(model, tokens, settings, bf16)
    with torch.inference_mode():
        room = settings["max_tokens"] // 2
        for batch in batches([end + room for end in ends]):
            prompts = [rows[number]["input_ids"][: ends[number]] for number in batch]
            for number, answer in zip(batch, respond(model.encoder, prompts, tokenizer, pad_id, room), strict=True):
                answers[number] = answer
    asked = prompts_of(tokens)
    vectors = _vectors(model, asked, settings, bf16)
    end = end_token(tokenizer)
    before, between = (len(ids) for ids in template_ids(tokenizer))
    return pl.DataFrame(
        {
            "note_id": tokens["note_id"],
            "prompt": [tokenizer.decode(row["input_ids"][before : at - between]) for row, at in zip(rows, ends, strict=True)],
            "reference": [tokenizer.decode(row["input_ids"][at:]) for row, at in zip(rows, ends, strict=True)],
            "answer": [tokenizer.decode(answer).strip() for answer in answers],
            "cut": [end not in answer for answer in answers],
            "nll": likelihood[:, 0],
            "tokens": likelihood[:, 1].astype(np.int64),
            "unlike": unlike(settings["familiar"], vectors, asked, settings["unk_token_id"], tokenizer.decode),
        }
    )


def losses(model: Responder, tokens: pl.DataFrame, settings: dict[str, Any], bf16: bool) -> pl.DataFrame:
    """One row a note with a response, in the order of `tokens`: note_id, and the mean nats of its response as `loss`."""
    nll, number = _likelihood(model, tokens, settings, bf16).T
    some = number > 0
    return pl.DataFrame([tokens["note_id"].filter(pl.Series(some)), pl.Series("loss", nll[some] / number[some])])


def _likelihood(model: Responder, tokens: pl.DataFrame, settings: dict[str, Any], bf16: bool) -> np.ndarray:
    """Of each row the negative log-likelihood of its response, and how many tokens that has: (rows, 2)."""
    rows = tokens.select("input_ids", "token_type_ids").to_dicts()
    known = [number for number, row in enumerate(rows) if 1 in row["token_type_ids"]]
    found = np.zeros((len(rows), 2))
    model.to(torch.bfloat16 if bf16 else torch.float32)  # autocast would turn all weights into bf16 again for every token
    with torch.inference_mode():
        for places in batches([len(rows[number]["input_ids"]) for number in known]):
            batch = [known[place] for place in places]
            output = model(**collate([rows[number] for number in batch], settings["pad_token_id"], 0))
            found[batch] = output["logits"].double().numpy()
    return found


def respond(model: Any, prompts: list[list[int]], tokenizer: Any, pad_id: int, room: int) -> list[list[int]]:
    """The ids of a greedy answer to each prompt, with its end where it came to one."""
    longest, end = max(map(len, prompts)), end_token(tokenizer)
    ids = torch.tensor([[pad_id] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    made = model.generate(
        input_ids=ids, attention_mask=mask, max_new_tokens=room, do_sample=False, num_beams=1, eos_token_id=end,
        pad_token_id=pad_id, use_cache=True,
    )  # fmt: skip
    answers = made[:, longest:].tolist()
    return [answer[: answer.index(end) + 1] if end in answer else answer for answer in answers]


def answers(predictions: pl.DataFrame, notes: pl.DataFrame, labels: Sequence[str], settings: dict[str, Any]) -> list[Response]:
    """A Response for each row of `predict`."""
    return [Response(text, round(score, 6)) for text, score in predictions.select("answer", "unlike").iter_rows()]


def save(model: Responder, folder: Path, labels: list[str], settings: dict[str, Any]) -> None:
    """Writes config, weights and settings: with the tokenizer, all that is needed to use the model."""
    model.encoder.save_pretrained(folder)
    save_settings(folder, settings)


def load(folder: Path) -> tuple[Responder, list[str], dict[str, Any]]:
    """The model that `save` wrote, no labels, and its settings. Raises ModelError where files are missing."""
    missing = [name for name in ("config.json", WEIGHTS, SETTINGS, FAMILIAR, "tokenizer.json") if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"{folder}: expected a trained model, but {', '.join(missing)} is missing: run dvc repro or dvc pull")
    model = build(folder, 0, 0.0, 0.0)
    model.tokenizer = load_tokenizer(folder)
    return model.eval(), [], load_settings(folder)
