"""Token ids for every note, once, without padding.

    dxtune tokenize        (or: dvc repro tokenize)

Reads data/processed, writes data/tokens/{train,validation,test}, the tokenizer and what goes with the model beside them, and
metrics/tokenize.json.
"""

import os
import shutil
from functools import partial

from dxtune.code import versions
from dxtune.errors import DataError
from dxtune.params import SPLITS, Params
from dxtune.paths import Paths
from dxtune.records import processed
from dxtune.shards import map_shards, read_json, write_json
from dxtune.tasks import find_encoder
from dxtune.tasks.prompts import task_tokenizer
from dxtune.training.base_model import find_base_model

TOKENIZER_FILES = ("tokenizer_config.json", "special_tokens_map.json")
FOR_THE_MODEL = ("labels.json", "cleaning.json")
COUNTS = ("notes", "rows", "tokens", "truncated", "unknown")


def run(params: Params, paths: Paths) -> None:
    """Writes the token ids of every split. Raises DataError where more notes are cut than params allow."""
    base = find_base_model(params.model)
    tokenizer = task_tokenizer(params, base)
    settings = params.tokenize
    how = (settings.max_tokens, settings.long_notes, settings.stride)
    encode = partial(find_encoder(params.task), tokenizer.to_str(), *how)
    metrics: dict[str, float] = {"max_tokens": settings.max_tokens}
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
            schema=processed(params.task),
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
    if settings.long_notes == "windows":
        metrics["windows"] = total["rows"]
    if metrics["truncated_share"] > settings.max_truncated_share:
        raise DataError(
            f"{truncated} of {notes} notes are longer than tokenize.max_tokens = {settings.max_tokens} and would be cut, over "
            f"the limit tokenize.max_truncated_share = {settings.max_truncated_share}: set tokenize.long_notes to windows or "
            "raise max_tokens (both slower), or raise the limit"
        )

    (paths.tokens / "tokenizer").mkdir()
    tokenizer.save(str(paths.tokens / "tokenizer" / "tokenizer.json"))
    for name in TOKENIZER_FILES:
        if (base / name).is_file():
            shutil.copyfile(base / name, paths.tokens / "tokenizer" / name)
    for name in FOR_THE_MODEL:
        write_json(read_json(paths.processed / name), paths.tokens / name)
    write_json(metrics, paths.metrics / "tokenize.json")
