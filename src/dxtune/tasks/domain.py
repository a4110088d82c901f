"""Domain adaptation: before fine-tuning, an encoder reads the training notes with words hidden, and learns to guess them.

Source: Gururangan et al., Don't Stop Pretraining (ACL 2020). It reads the rows of data/tokens/train, as fine-tuning will: notes
in pieces of up to tokenize.max_tokens, de-identified, and never one of validation or test.
"""

import copy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import nn
from torch.nn import functional
from transformers import AutoModelForMaskedLM
from transformers.modeling_outputs import BaseModelOutput

from dxtune.errors import ModelError
from dxtune.params import Train
from dxtune.tasks import encoder
from dxtune.tasks.checkpointed import Checkpointed
from dxtune.training.attention import use_fast_bf16
from dxtune.training.base_model import load_tokenizer, pad_token_id
from dxtune.training.bucket_trainer import ROWS
from dxtune.training.trainer import fit_without_validation

HIDDEN = 0.15
"""Of the tokens of a row, at least one: how many are to be guessed."""
MASKED, RANDOM = 0.8, 0.1
"""Of these: how many the mask stands for, and how many a random token; the others stay. All as in BERT."""
MASKS = ("[MASK]", "<mask>")
"""What tokenizers call the mask."""
IGNORED = -100


class GapFiller(Checkpointed):
    """An encoder and the head that guesses its hidden tokens: that of the checkpoint, or a fresh one tied to the embeddings."""

    def __init__(self, language_model: Any) -> None:
        super().__init__()
        self.encoder = language_model.base_model
        setattr(language_model, language_model.base_model_prefix, _Given())  # what is left of the model is its head
        self.head = language_model

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        labels: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> dict[str, torch.Tensor]:
        """`loss`: the mean over the hidden tokens of the whole effective batch; labels: (batch, length), -100 elsewhere.

        A vocabulary is large, so the head sees hidden tokens alone.
        """
        learned = labels != IGNORED
        vectors = encoder.run(self.encoder, input_ids, attention_mask, token_type_ids).last_hidden_state
        scores = self.head(inputs_embeds=vectors[learned].unsqueeze(0)).logits.squeeze(0).float()
        count = learned.sum() if num_items_in_batch is None else num_items_in_batch
        return {"loss": functional.cross_entropy(scores, labels[learned], reduction="sum") / count}


class _Given(nn.Module):
    """Stands in the place of an encoder, and gives back what it is given."""

    def forward(self, *_: Any, inputs_embeds: torch.Tensor, **__: Any) -> BaseModelOutput:
        return BaseModelOutput(last_hidden_state=inputs_embeds)


def adapt(
    model: encoder.NoteModel,
    base: Path,
    tokenizer: Path,
    notes: pl.DataFrame,
    settings: Train,
    precision: str,
    checkpoints: Path,
) -> pl.DataFrame:
    """The loss curve of settings.domain_adaptation_epochs epochs over the training notes, learned by the encoder of `model`.

    base, tokenizer: folders. checkpoints: of the whole run; these have a folder there. All weights of the encoder learn,
    whatever model.method says of fine-tuning. Raises ModelError where the base model never learned to fill in words.
    """
    if not settings.domain_adaptation_epochs:
        return pl.DataFrame(schema={"step": pl.Int64, "loss": pl.Float64})
    words = load_tokenizer(tokenizer)
    mask = next((number for name in MASKS if (number := words.token_to_id(name)) is not None), None)
    config = copy.deepcopy(model.encoder.config)  # with the dropout of the settings
    try:
        language_model = AutoModelForMaskedLM.from_pretrained(
            base, config=config, dtype=torch.float32, trust_remote_code=False, use_safetensors=True
        )
    except ValueError:
        language_model = None
    if mask is None or language_model is None:
        raise ModelError(
            f"train.domain_adaptation_epochs = {settings.domain_adaptation_epochs}: expected a masked language model with "
            f"{' or '.join(MASKS)} in its tokenizer, found {config.model_type}: set it to 0, or choose an encoder such as BERT"
        )
    if precision == "bf16":
        use_fast_bf16(language_model.base_model)
    filler = GapFiller(language_model)
    ordinary = np.ones(words.get_vocab_size(), dtype=bool)
    ordinary[[number for number, token in words.get_added_tokens_decoder().items() if token.special]] = False
    readable = notes["input_ids"].list.eval(pl.element().is_in(np.flatnonzero(ordinary))).list.any()
    batch = partial(collate, pad_id=pad_token_id(base), seed=settings.seed, ordinary=ordinary, mask=mask)
    epochs = settings.model_copy(update={"epochs": settings.domain_adaptation_epochs})
    own = checkpoints / "domain_adaptation"
    curve = fit_without_validation(filler, batch, notes.filter(readable), epochs, precision, own)
    model.encoder.load_state_dict(filler.encoder.state_dict(), strict=False)  # but a pooler, which guesses nothing
    torch.manual_seed(settings.seed)  # a run that found all of this done goes on from the same numbers
    return curve


def collate(
    rows: list[dict[str, Any]], epoch: int, pad_id: int, seed: int, ordinary: np.ndarray, mask: int
) -> dict[str, torch.Tensor]:
    """A batch with hidden tokens, and `labels` (batch, length): what they were. Another choice each epoch.

    It follows from (seed, epoch, row) alone: a resumed run, and each of several processes, hides the same.
    """
    hidden = []
    for row in rows:
        rng = np.random.Generator(np.random.PCG64([seed, epoch, row[ROWS]]))
        hidden.append(hide(np.array(row["input_ids"]), ordinary, mask, rng))
    batch = encoder.pad([row | {"input_ids": ids} for row, (ids, _) in zip(rows, hidden, strict=True)], pad_id)
    labels = torch.full_like(batch["input_ids"], IGNORED)
    for number, (_, wanted) in enumerate(hidden):
        labels[number, : len(wanted)] = torch.from_numpy(wanted)
    return batch | {"labels": labels}


def hide(ids: np.ndarray, ordinary: np.ndarray, mask: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Token ids of which HIDDEN are replaced, and what is to be guessed: the ids there, -100 elsewhere.

    ordinary: (vocabulary,) true for tokens that can be hidden, and put in the place of others.

    >>> ids, labels = hide(np.arange(40), np.arange(40) > 1, 1, np.random.default_rng(0))
    >>> int((labels >= 0).sum()), bool((ids == np.arange(40))[labels == IGNORED].all()), labels[:2].tolist()
    (6, True, [-100, -100])
    """
    places = np.flatnonzero(ordinary[ids])
    places = rng.permutation(places)[: max(1, round(HIDDEN * len(places)))]
    kind = rng.random(len(places))
    changed, labels = ids.copy(), np.full(len(ids), IGNORED)
    labels[places] = ids[places]
    changed[places[kind < MASKED]] = mask
    other = places[(kind >= MASKED) & (kind < MASKED + RANDOM)]
    changed[other] = rng.choice(np.flatnonzero(ordinary), len(other))
    return changed, labels
