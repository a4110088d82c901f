"""What only texts can tell, read from a sample of them: words that give labels away, and how far the test is from training."""

from pathlib import Path

import polars as pl

from dxtune import shards
from dxtune.corpus.drift import SAMPLE, label_psi, length_ks, split_auc
from dxtune.corpus.leaks import RULE, find_leaks
from dxtune.errors import LeakageError

__all__ = ["check_leaks", "find_leaks", "measure_drift", "read_sample"]

TRAINING_SAMPLE = 10_000  # notes


def read_sample(notes: pl.DataFrame, work: Path) -> dict[str, pl.DataFrame]:
    """Notes of training and test with `text`, `patient_id`, `labels`: those with the smallest text hashes, in that order.

    notes: the narrow frame with `split` and `shard`; work: has the corpora `sample` and `notes` of narrow.prepare. The order of
    notes and shards does not matter.
    """
    columns = ["note_id", "patient_id", "labels", "text_hash", "split", "shard"]
    sizes = {"train": TRAINING_SAMPLE, "test": SAMPLE}
    picked = pl.concat([notes.filter(split=name).select(columns).sort("text_hash").head(size) for name, size in sizes.items()])

    rows = {table: shards.shards_of(work / table) for table in ("sample", "notes")}
    found = []
    for (name,), wanted in picked.partition_by("shard", as_dict=True).items():
        for table in rows:  # of many shards few notes are wanted: those of `sample`; else all texts are read for them
            frame = shards.read_shard(work / table, name, rows[table][name], ["note_id", "text"])
            frame = frame.join(wanted, on="note_id", how="semi")
            if frame.height == wanted.height:
                break
        found.append(pl.DataFrame(frame.to_dict(as_series=False), schema=frame.schema))  # a slice holds all texts of its shard
    texts = picked.drop("shard").join(pl.concat(found), on="note_id", how="left", maintain_order="left")
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
