"""What only texts can tell, read from a sample of them: words that give labels away, and how far the test is from training."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl

from dxtune import shards
from dxtune.corpus.drift import SAMPLE, label_psi, length_ks, split_auc
from dxtune.corpus.leaks import RULE, find_leaks
from dxtune.errors import LeakageError

__all__ = ["check_leaks", "find_leaks", "measure_drift", "read_sample"]

TRAINING_SAMPLE = 10_000  # notes


def read_sample(notes: pl.DataFrame, source: Path, workers: int) -> dict[str, pl.DataFrame]:
    """Notes of training and test with `text`, `patient_id`, `labels`: those with the smallest text hashes, in that order.

    notes: the narrow frame with `split`; source: the corpus of their texts. The order of notes and shards does not matter.
    """
    columns = ["note_id", "patient_id", "labels", "text_hash", "split"]
    sizes = {"train": TRAINING_SAMPLE, "test": SAMPLE}
    picked = pl.concat([notes.filter(split=name).select(columns).sort("text_hash").head(size) for name, size in sizes.items()])

    wanted = picked.select("note_id")

    def pick(shard: tuple[str, int]) -> pl.DataFrame:
        frame = shards.read_shard(source, *shard, ["note_id", "text"]).join(wanted, on="note_id", how="semi")
        return pl.DataFrame(frame.to_dict(as_series=False), schema=frame.schema)  # a slice would hold all texts of its shard

    with ThreadPoolExecutor(workers) as pool:  # all texts are unpacked for a few of them
        found = pl.concat(pool.map(pick, shards.shards_of(source).items()))
    texts = picked.join(found, on="note_id", how="left", maintain_order="left")
    return {name: texts.filter(split=name) for name in sizes}


def check_leaks(leaks: pl.DataFrame, share: float, most: float) -> None:
    """Raises LeakageError where more than the share `most` of the training notes have a token that gives their label away.

    The tokens stand in data/quality/label_leaks.parquet; a message names their labels only.
    """
    if share > most:
        labels = ", ".join(leaks["label"].unique().sort().head(5))
        raise LeakageError(
            f"expected at most {most:.0%} of the training notes with a word that gives the label away "
            f"(preprocess.max_leaked_share), found {share:.0%}: {leaks.height} words, of the labels {labels}, listed in "
            f"data/quality/label_leaks.parquet. The rule: {RULE}. Leave out the section that states the label "
            "(preprocess.drop_sections), correct the source, or, where these words are findings that a clinician sees before "
            "the diagnosis, raise preprocess.max_leaked_share"
        )


def measure_drift(notes: pl.DataFrame, texts: dict[str, pl.DataFrame], counts: dict[str, dict[str, int]]) -> dict[str, float]:
    """The metrics of drift between training and test: of labels, of lengths, of words (dxtune.corpus.drift)."""
    lengths = {split: notes.filter(split=split)["characters"] for split in ("train", "test")}
    measured = {"drift_label_psi": label_psi(counts, "test"), "drift_length_ks": length_ks(lengths["train"], lengths["test"])}
    area = split_auc(texts["train"], texts["test"])
    return measured | ({} if area is None else {"drift_auc": area})
