"""Fits the scorer of dxtune.deid on the template families, and measures it on families that it has not seen.

    python -m dxtune.deid_training.fit                # writes src/dxtune/deid/scorer.npz
    python -m dxtune.deid_training.fit --leave-out    # five folds of families: any, full, lost on unseen wording

Multinomial logistic regression with an L2 penalty, by L-BFGS from zero: no randomness but that of the filled templates,
whose seed is fixed. The weights are rounded to hundredths of a logit.
"""

import argparse

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from dxtune.deid import scorer
from dxtune.deid.evaluation import GoldNote, Scores, score
from dxtune.deid.findings import findings
from dxtune.deid.looks import look
from dxtune.deid.marking import mark, rows_to_score
from dxtune.deid.spans import Span
from dxtune.deid.tokens import Hashes
from dxtune.deid_training.fill import FAMILIES, Filled, corpus

SEED, COPIES, L2, ROUNDS, UNIT = 13, 10, 0.35, 120, 100
THRESHOLD = -370
"""A word is masked from odds of 1 to 40 on: a missed name costs more than a lost word."""
PHI_WEIGHT = 2.0
HIDDEN = 0.08
"""The share of words that the lexicon is made to forget in training: so that context counts, not only the lists."""
_GROUP = {"NAME": 1, "LOCATION": 2, "FACILITY": 3}


def examples(texts: list[Filled], seed: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int8]]:
    """The hashed features of every word that is scored, and its group: 0 none (states and countries, too), 1 to 4 as
    scorer.KINDS."""
    random = np.random.default_rng(seed)
    parts, labels = [], []
    for at in range(0, len(texts), 64):
        batch = [with_placeholders(one, random) for one in texts[at : at + 64]]
        seen = look([one.text for one in batch])
        letters = np.flatnonzero(random.random(len(seen.known)) < HIDDEN)
        seen.known[letters] = 0
        rows = rows_to_score(seen)
        truth = np.zeros(len(seen.tokens.text) + 1, np.int8)
        for one, first in zip(batch, seen.tokens.first.tolist(), strict=True):
            for start, end, kind in one.gold:
                truth[first + start : first + end] = _GROUP.get(kind, 4)
        parts.append(scorer.features(seen.tokens, seen.known, seen.classes, seen.seen, rows))
        labels.append(truth[seen.tokens.start[rows]])
    return np.concatenate(parts), np.concatenate(labels)


def with_placeholders(one: Filled, random: np.random.Generator) -> Filled:
    """The text as a second look would see it: in one of six, most identifiers are replaced already."""
    if random.random() > 0.16:
        return one
    text, gold, done, shift = [], [], 0, 0
    for start, end, kind in one.gold:
        text.append(one.text[done:start])
        if random.random() < 0.8:
            text.append(f"[{kind}]")
            shift += len(kind) + 2 - (end - start)
        else:
            text.append(one.text[start:end])
            gold.append((start + shift, end + shift, kind))
        done = end
    text.append(one.text[done:])
    return Filled("".join(text), one.family, gold)


def fit(hashed: npt.NDArray[np.int32], labels: npt.NDArray[np.int8]) -> npt.NDArray[np.int16]:
    """The table of weights, (2**BITS, kinds), in hundredths of a logit."""
    used, columns = np.unique(hashed, return_inverse=True)
    rows, width = hashed.shape
    data = csr_matrix(
        (np.ones(rows * width, np.float32), columns.reshape(-1), np.arange(0, rows * width + 1, width)), (rows, len(used))
    )
    transposed = data.T.tocsr()
    kinds = len(scorer.KINDS)
    target = np.zeros((rows, kinds))
    inside = labels > 0
    target[inside, labels[inside] - 1] = 1.0
    weight = np.where(inside, PHI_WEIGHT, 1.0)[:, None]

    def loss(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        table = flat.reshape(-1, kinds)
        logits = data @ table
        top = np.maximum(logits.max(1, keepdims=True), 0)
        odds = np.exp(logits - top)
        total = odds.sum(1, keepdims=True) + np.exp(-top)
        chosen = (logits * target).sum(1, keepdims=True)
        value = float((weight * (top + np.log(total) - chosen)).sum()) + 0.5 * L2 * float(flat @ flat)
        gradient = transposed @ (weight * (odds / total - target)) + L2 * table
        return value, gradient.reshape(-1)

    with threadpool_limits(1):  # sums in another order would give other weights
        start = np.zeros(len(used) * kinds)
        done = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": ROUNDS, "maxcor": 12})
    table = np.zeros((1 << scorer.BITS, kinds), np.int16)
    table[used] = np.clip(np.rint(done.x.reshape(-1, kinds) * UNIT), -scorer.LARGEST, scorer.LARGEST).astype(np.int16)
    return table


def measure(texts: list[Filled], table: Hashes, threshold: int) -> Scores:
    """How much of some filled texts is masked with a table of weights, each text by itself."""
    found: list[list[Span]] = []
    for at in range(0, len(texts), 64):
        batch = [one.text for one in texts[at : at + 64]]
        found += findings(mark(look(batch), None, table, threshold)).spans(len(batch))
    notes = [
        GoldNote(str(row), one.text, tuple(Span(*span) for span in one.gold), tuple(Span(*span) for span in one.neutral))
        for row, one in enumerate(texts)
    ]
    return score(notes, found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leave-out", action="store_true")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--copies", type=int, default=COPIES)
    parser.add_argument("--threshold", type=int, default=THRESHOLD)
    arguments = parser.parse_args()
    texts = corpus(FAMILIES, arguments.copies, SEED)
    families = sorted({one.family for one in texts})
    if arguments.leave_out:
        for fold in range(arguments.folds):
            out = set(families[fold :: arguments.folds])
            table = fit(*examples([one for one in texts if one.family not in out], SEED))
            unseen = [one for one in corpus(FAMILIES, 2, SEED + 1) if one.family in out]
            for threshold in (THRESHOLD, -300, -200, -100):
                figures = measure(unseen, scorer.lanes(table), threshold)
                shares = f"any {figures.any:.4f}  full {figures.full:.4f}  lost {figures.non_phi_lost:.4f}"
                print(f"fold {fold}  threshold {threshold:5}  {figures.spans} spans  {shares}", flush=True)  # noqa: T201
        return
    table = fit(*examples(texts, SEED))
    used = table.any(1)
    weights = np.ascontiguousarray(table[used].T)
    np.savez_compressed(scorer.FILE, used=np.packbits(used), weights=weights, threshold=np.int32(arguments.threshold))


if __name__ == "__main__":
    main()
