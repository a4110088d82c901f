"""What each token of a note adds to the logit of a label: integrated gradients of the embeddings.

The note is compared with itself without its words: every token but the special ones is padding there, at the same places.
Source: Sundararajan et al., Axiomatic Attribution for Deep Networks (ICML 2017, arXiv:1703.01365).
"""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from dxtune.evaluation.bootstrap import SEED
from dxtune.evaluation.metrics import Floats
from dxtune.safety.faithfulness import Windows
from dxtune.tasks.encoder import NoteModel, batches, pad

TOKENS = 2048
"""In a batch with gradients: what is kept for the way back takes megabytes a token."""

Points = tuple[Floats, Floats]
"""Places from 0, the note without its words, to 1, the note; and the weight of the slope at each of them."""
Note = tuple[Windows, int]
"""Its windows, and the label whose logit is looked at."""


def integral(steps: int) -> Points:
    """The places and weights of Gauss and Legendre for an integral from 0 to 1, of so many steps.

    >>> [np.round(each, 3).tolist() for each in integral(2)]
    [[0.211, 0.789], [0.5, 0.5]]
    """
    places, weights = np.polynomial.legendre.leggauss(steps)
    return (places + 1) / 2, weights / 2


class Attributor:
    """A model whose logits can be attributed. special: ids of tokens that are no words and stay where words are left out."""

    def __init__(self, model: NoteModel, pad_id: int, special: Sequence[int], bf16: bool) -> None:
        self.model = model.eval().requires_grad_(False)  # slopes are those of the embeddings alone
        self.pad_id, self.special, self.bf16 = pad_id, torch.tensor(special), bf16
        self.embeddings = model.encoder.get_input_embeddings()

    def scores(self, windows: Windows, label: int, points: Points) -> Floats:
        """What each token adds to the logit of a label, (tokens,), window after window."""
        return self._together([(windows, label)], points)[0]

    def each(self, notes: Sequence[Note], points: Points) -> list[Floats]:
        """The `scores` of each note, in order; notes of like length are read together."""
        found: list[Floats] = [np.empty(0)] * len(notes)
        lengths = [sum(len(window["input_ids"]) for window in windows) for windows, _ in notes]
        for numbers in batches(lengths, TOKENS // len(points[0])):
            for number, scores in zip(numbers, self._together([notes[number] for number in numbers], points), strict=True):
                found[number] = scores
        return found

    def _together(self, notes: Sequence[Note], points: Points) -> list[Floats]:
        batch, with_words, without = self._embedded([window for windows, _ in notes for window in windows])
        slope = torch.zeros_like(with_words)
        at_once = max(1, TOKENS // batch["input_ids"].numel())
        places, weights = (torch.from_numpy(each).float() for each in points)
        for some, weight in zip(torch.split(places, at_once), torch.split(weights, at_once), strict=True):
            vectors = torch.lerp(without, with_words, some.view(-1, 1, 1, 1)).requires_grad_()
            (slopes,) = torch.autograd.grad(self._logits(vectors, batch, notes).sum(1) @ weight, vectors)
            slope += slopes.sum(0)
        found = ((with_words - without) * slope).double().sum(-1)
        sizes = [len(windows) for windows, _ in notes]
        parts = zip(torch.split(found, sizes), torch.split(batch["attention_mask"] > 0, sizes), strict=True)
        return [scores[real].numpy() for scores, real in parts]

    def change(self, windows: Windows, label: int) -> float:
        """The logit of a label for the note, less that for the note without its words: what all scores should add up to."""
        batch, with_words, without = self._embedded(windows)
        with torch.no_grad():
            note, nothing = self._logits(torch.stack([with_words, without]), batch, [(windows, label)])[:, 0].tolist()
        return float(note - nothing)

    def _embedded(self, windows: Windows) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
        """The batch of windows, and their embeddings with and without words, (windows, length, size)."""
        batch = pad([dict(window) for window in windows], self.pad_id)
        ids = batch["input_ids"]
        with torch.no_grad():
            without = self.embeddings(torch.where(torch.isin(ids, self.special), ids, self.pad_id))
            return batch, self.embeddings(ids), without

    def _logits(self, vectors: torch.Tensor, batch: dict[str, torch.Tensor], notes: Sequence[Note]) -> torch.Tensor:
        """The notes' logits, (steps, notes), with their windows' embeddings in `vectors`, (steps, windows, length, size)."""
        steps, windows = vectors.shape[:2]
        # a hook and not inputs_embeds: models that count positions or types from the ids go on seeing these
        hook = self.embeddings.register_forward_hook(lambda *_: vectors.flatten(0, 1))
        try:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
                made = self.model.read(**{name: value.repeat(steps, 1) for name, value in batch.items()})
        finally:
            hook.remove()
        parts = torch.split(made.view(steps, windows, -1), [len(own) for own, _ in notes], dim=1)
        return torch.stack([self._answer(part, label) for part, (_, label) in zip(parts, notes, strict=True)], dim=1)

    def _answer(self, made: torch.Tensor, label: int) -> torch.Tensor:
        """The logit of one note, (steps,), from what the model gives for its windows, (steps, windows, outputs)."""
        if self.model.weights is None:
            return made[:, :, label].mean(1)
        logits, weights = made.chunk(2, -1)
        return (weights[:, :, label].softmax(1) * logits[:, :, label]).sum(1)


def completeness_error(scores: Floats, change: float) -> float:
    """How far the sum of the scores is from what they share out, as a part of it.

    >>> completeness_error(np.array([1.5, 0.6]), 2.0)
    0.05
    """
    return round(abs(float(scores.sum()) - change) / abs(change), 6) if change else float("nan")


def randomised(model: NoteModel, head_alone: bool) -> NoteModel:
    """A copy of the model whose head, or all of it, has random weights as an untrained layer has them."""
    made = copy.deepcopy(model).float()  # what an untrained layer draws depends on how it holds its numbers
    torch.manual_seed(SEED)
    for module in (made.head,) if head_alone else made.modules():
        if callable(reset := getattr(module, "reset_parameters", None)):
            reset()
    return made


def special_ids(tokenizer: Any, unknown: int) -> list[int]:
    """Ids of the tokens that stand for no text, such as [CLS]; the unknown token stands for some."""
    known = tokenizer.get_added_tokens_decoder()
    return sorted(number for number, token in known.items() if token.special and number != unknown)
