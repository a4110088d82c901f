"""Token ids for every note, once, without padding.

    dxtune tokenize        (or: dvc repro tokenize)

Reads data/processed, writes data/tokens/{train,validation,test}, the tokenizer and the label map beside them, and
metrics/tokenize.json.
"""

import shutil

import polars as pl

from dxtune.errors import DataError
from dxtune.params import SPLITS, Params
from dxtune.paths import Paths
from dxtune.records import PROCESSED, TOKENS, check
from dxtune.shards import read_corpus, write_corpus, write_json
from dxtune.training.base_model import find_base_model, load_tokenizer

TOKENIZER_FILES = ("tokenizer_config.json", "special_tokens_map.json")


def run(params: Params, paths: Paths) -> None:
    """Writes the token ids of every split. Raises DataError where more notes are cut than params allow."""
    base = find_base_model(params.model)
    tokenizer = load_tokenizer(base)
    tokenizer.enable_truncation(max_length=params.tokenize.max_tokens)
    metrics: dict[str, float] = {"max_tokens": params.tokenize.max_tokens}
    notes = tokens = truncated = unknown = 0
    unknown_id = tokenizer.token_to_id(getattr(tokenizer.model, "unk_token", None) or "[UNK]")

    shutil.rmtree(paths.tokens, ignore_errors=True)
    for split in SPLITS:
        frame = check(read_corpus(paths.processed / split), PROCESSED, f"data/processed/{split}")
        encodings = tokenizer.encode_batch_fast(frame["text"].to_list())
        ids = [encoding.ids for encoding in encodings]
        table = frame.select("note_id", "patient_id", "label_id").with_columns(
            pl.Series("input_ids", ids, dtype=TOKENS["input_ids"]),
            pl.Series("length", [len(row) for row in ids], dtype=pl.Int32),
        )
        write_corpus(check(table, TOKENS, f"data/tokens/{split}"), paths.tokens / split)
        cut = sum(bool(encoding.overflowing) for encoding in encodings)
        metrics[f"{split}_mean_tokens"] = round(int(table["length"].sum()) / table.height, 3)
        metrics[f"{split}_truncated_share"] = round(cut / table.height, 6)
        notes, tokens, truncated = notes + table.height, tokens + int(table["length"].sum()), truncated + cut
        unknown += sum(row.count(unknown_id) for row in ids)

    metrics |= {"notes": notes, "mean_tokens": round(tokens / notes, 3)}
    metrics |= {"truncated_share": round(truncated / notes, 6), "unknown_token_share": round(unknown / tokens, 6)}
    if metrics["truncated_share"] > params.tokenize.max_truncated_share:
        raise DataError(
            f"{truncated} of {notes} notes are longer than tokenize.max_tokens = {params.tokenize.max_tokens} and would be "
            f"cut, over the limit tokenize.max_truncated_share = {params.tokenize.max_truncated_share}: raise max_tokens "
            "(slower) or the limit"
        )

    tokenizer.no_truncation()
    (paths.tokens / "tokenizer").mkdir()
    tokenizer.save(str(paths.tokens / "tokenizer" / "tokenizer.json"))
    for name in TOKENIZER_FILES:
        if (base / name).is_file():
            shutil.copyfile(base / name, paths.tokens / "tokenizer" / name)
    shutil.copyfile(paths.processed / "labels.json", paths.tokens / "labels.json")
    write_json(metrics, paths.metrics / "tokenize.json")
