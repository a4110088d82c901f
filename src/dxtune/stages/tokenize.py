"""Token ids for every note, once, without padding.

    dxtune tokenize        (or: dvc repro tokenize)

Reads data/processed, writes data/tokens/{train,validation,test}, the tokenizer and the label map beside them, and
metrics/tokenize.json.
"""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import chain
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from dxtune.errors import DataError
from dxtune.params import SPLITS, Params
from dxtune.paths import Paths
from dxtune.records import PROCESSED, TOKENS, check
from dxtune.shards import Result, map_shards, versions, write_json
from dxtune.training.base_model import find_base_model, load_tokenizer

TOKENIZER_FILES = ("tokenizer_config.json", "special_tokens_map.json")
COUNTS = ("notes", "tokens", "truncated", "unknown")
BATCH = 256
"""Notes that are encoded together: what the tokenizer makes of a note besides its ids takes a hundred times their memory."""


def run(params: Params, paths: Paths) -> None:
    """Writes the token ids of every split. Raises DataError where more notes are cut than params allow."""
    base = find_base_model(params.model)
    tokenizer = load_tokenizer(base)
    encode = partial(encode_shard, tokenizer.to_str(), params.tokenize.max_tokens)
    metrics: dict[str, float] = {"max_tokens": params.tokenize.max_tokens}
    total = dict.fromkeys(COUNTS, 0)
    # the tokenizer itself works on data.workers processors: processes beside it would only take them from each other
    os.environ.setdefault("RAYON_NUM_THREADS", str(params.data.workers))
    data = params.data.model_copy(update={"workers": 1}) if params.data.engine == "local" else params.data

    shutil.rmtree(paths.tokens, ignore_errors=True)
    for split in SPLITS:
        facts = map_shards(
            encode,
            paths.processed / split,
            {"tokens": paths.tokens / split},
            stage="tokenize",
            settings=versions("tokenizers"),
            data=data,
            cache_folder=paths.shard_cache,
        )
        count = {name: sum(shard[name] for shard in facts) for name in COUNTS}
        metrics[f"{split}_mean_tokens"] = round(count["tokens"] / count["notes"], 3)
        metrics[f"{split}_truncated_share"] = round(count["truncated"] / count["notes"], 6)
        total = {name: total[name] + count[name] for name in COUNTS}

    notes, truncated = total["notes"], total["truncated"]
    metrics |= {"notes": notes, "mean_tokens": round(total["tokens"] / notes, 3)}
    metrics |= {
        "truncated_share": round(truncated / notes, 6),
        "unknown_token_share": round(total["unknown"] / total["tokens"], 6),
    }
    if metrics["truncated_share"] > params.tokenize.max_truncated_share:
        raise DataError(
            f"{truncated} of {notes} notes are longer than tokenize.max_tokens = {params.tokenize.max_tokens} and would be "
            f"cut, over the limit tokenize.max_truncated_share = {params.tokenize.max_truncated_share}: raise max_tokens "
            "(slower) or the limit"
        )

    (paths.tokens / "tokenizer").mkdir()
    tokenizer.save(str(paths.tokens / "tokenizer" / "tokenizer.json"))
    for name in TOKENIZER_FILES:
        if (base / name).is_file():
            shutil.copyfile(base / name, paths.tokens / "tokenizer" / name)
    shutil.copyfile(paths.processed / "labels.json", paths.tokens / "labels.json")
    write_json(metrics, paths.metrics / "tokenize.json")


def encode_shard(tokenizer: str, max_tokens: int, frame: pl.DataFrame) -> Result:
    """The token ids of one shard, and how many notes, tokens, cut notes and unknown tokens it has.

    tokenizer: its tokenizer.json, and not its path, so that a worker on another machine has it too.
    """
    check(frame, PROCESSED, "data/processed")
    encoder, texts = _tokenizer(tokenizer, max_tokens), frame["text"].to_list()
    rows: list[list[int]] = []
    truncated = 0
    with ThreadPoolExecutor(1) as ahead:  # encodes the next batch while the ids of this one are taken
        for encodings in ahead.map(encoder.encode_batch_fast, (texts[at : at + BATCH] for at in range(0, len(texts), BATCH))):
            rows += [encoding.ids for encoding in encodings]
            truncated += sum(len(encoding) >= max_tokens and bool(encoding.overflowing) for encoding in encodings)
    length = np.fromiter(map(len, rows), np.int32, len(rows))
    ids = np.fromiter(chain.from_iterable(rows), np.int32, int(length.sum()))
    offsets = np.concatenate([[0], np.cumsum(length, dtype=np.int32)]).astype(np.int32)
    column = pl.from_arrow(pa.ListArray.from_arrays(pl.Series(offsets).to_arrow(), pl.Series(ids).to_arrow()))
    assert isinstance(column, pl.Series)
    table = frame.select("note_id", "patient_id", "label_id").with_columns(
        column.alias("input_ids"), pl.Series("length", length, dtype=pl.Int32)
    )
    unknown = encoder.token_to_id(getattr(encoder.model, "unk_token", None) or "[UNK]")
    counts = {
        "notes": table.height,
        "tokens": len(ids),
        "truncated": truncated,
        "unknown": 0 if unknown is None else int((ids == unknown).sum()),
    }
    return Result({"tokens": check(table, TOKENS, "data/tokens")}, counts)


@lru_cache(maxsize=1)  # a worker makes it once, not for each shard
def _tokenizer(text: str, max_tokens: int) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(text)
    tokenizer.enable_truncation(max_length=max_tokens)
    return tokenizer
