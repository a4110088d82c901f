"""Token ids of prompts and responses for generation, in the words of the model's chat template; and, in the same words, of
notes that a causal model is to classify. No torch here.

A prompt may take half of tokenize.max_tokens, so that an answer has the other half, while training and later. A longer one is
cut at its end (`truncate`) or in its middle (`head_tail`). A response that does not fit is cut, too, and then its end is not
taught.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from dxtune.errors import DataError, ModelError
from dxtune.params import Params
from dxtune.shards import Result
from dxtune.tasks import ENCODERS
from dxtune.tasks.notes import HEAD, count_tokens, list_column, load
from dxtune.training.base_model import is_causal, load_tokenizer

PROMPT, RESPONSE = "dxtune-prompt", "dxtune-response"
PARTS = ("before", "between", "after")
"""What a chat template writes before a prompt, between it and the response, and after that: the last ends an answer."""


def task_tokenizer(params: Params, base: Path) -> Any:
    """The base model's tokenizer as the task needs it: a causal model reads everything in its chat template.

    Raises DataError where the template leaves a note too little room.
    """
    tokenizer = load_tokenizer(base)
    if params.task == "generation":
        return as_chat(tokenizer, base)
    asked = ENCODERS[params.task] == "notes" and is_causal(base)
    return as_asked(tokenizer, base, params.tokenize.max_tokens) if asked else tokenizer


def as_asked(tokenizer: Any, base: Path, max_tokens: int) -> Any:
    """The tokenizer, which from now on ends each note so that a causal model is about to answer: its last token has seen all.

    A note, or of two texts the note, which is the second one, and then the question; and what the chat template writes before
    an answer. Raises DataError where all of that but the note takes half of max_tokens.
    """
    before, between, _ = chat_parts(base)
    parts = _ids(tokenizer, {"before": before, "question": "\n\n", "between": between})
    size = sum(len(part["ids"]) for part in parts.values())
    if size >= max_tokens // 2:
        raise DataError(
            f"the chat template takes {size} tokens, expected fewer than half of tokenize.max_tokens = {max_tokens}: raise it"
        )
    return _with_template(tokenizer, parts, ["before", "$A", "between"], ["before", "$B", "question", "$A", "between"])


def without_prompt(tokenizer: Any) -> Callable[[list[int]], str]:
    """A function from token ids to the text of notes and questions alone, without what `as_asked` wrote around them."""
    special = json.loads(tokenizer.post_processor.__getstate__()).get("special_tokens", {}) if tokenizer.post_processor else {}
    written = [tokenizer.decode(special[name]["ids"]) for name in ("before", "between") if name in special]

    def read(ids: list[int]) -> str:
        text: str = tokenizer.decode(ids)
        for part in filter(None, written):
            text = text.replace(part, " ")
        return text

    return read


def as_chat(tokenizer: Any, base: Path) -> Any:
    """The tokenizer, which from now on puts a text into the chat template of the base model, ready to be answered.

    Of two texts it makes a prompt (type 0) and its response (type 1). Saved as tokenizer.json, it still does. The parts of
    the template are turned into ids one by one, and so is the prompt: where a template does not end them with special tokens
    or line breaks, these ids can be others than those of the whole text.
    """
    parts = _ids(tokenizer, dict(zip(PARTS, chat_parts(base), strict=True)))
    single = ["before:0", "$A:0", "between:0"]
    return _with_template(tokenizer, parts, single, [*single, "$B:1", "after:1"])


def _ids(tokenizer: Any, texts: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The ids and tokens of texts that a template writes, by name, of those that are not empty."""
    found = {name: tokenizer.encode(text, add_special_tokens=False) for name, text in texts.items()}
    return {name: {"id": name, "ids": each.ids, "tokens": each.tokens} for name, each in found.items() if each.ids}


def _with_template(tokenizer: Any, parts: dict[str, dict[str, Any]], single: list[str], pair: list[str]) -> Any:
    """The tokenizer with a template of parts, which are left out where they are empty, and of the texts $A and $B."""
    from tokenizers.processors import TemplateProcessing

    there = [[name for name in names if name.startswith("$") or name.partition(":")[0] in parts] for names in (single, pair)]
    tokenizer.post_processor = TemplateProcessing(single=there[0], pair=there[1], special_tokens=list(parts.values()))
    return tokenizer


def chat_parts(base: Path) -> tuple[str, str, str]:
    """What the base model's chat template writes around a prompt and its response (PARTS).

    A model without a template gets line breaks, and its own sign of the end. Raises ModelError where the template does not
    take a prompt and a response.
    """
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(reason: str) -> None:
        raise TemplateError(reason)

    settings = _read_json(base / "tokenizer_config.json")
    names = {name: _token(settings.get(name)) for name in ("bos_token", "eos_token", "pad_token", "unk_token")}
    template = _chat_template(base, settings)
    if not names["eos_token"]:
        raise ModelError(
            f"{base.name}: expected eos_token in tokenizer_config.json, found none: add it to a copy, and name that"
        )
    if template is None:
        return names["bos_token"], "\n", names["eos_token"]
    question, response = {"role": "user", "content": PROMPT}, {"role": "assistant", "content": RESPONSE}
    try:
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        written = environment.from_string(template, {"raise_exception": refuse})
        before, between = written.render(messages=[question], add_generation_prompt=True, **names).split(PROMPT)
        _, after = written.render(messages=[question, response], add_generation_prompt=False, **names).split(RESPONSE)
    except (TemplateError, ValueError) as error:
        raise ModelError(
            f"{base.name}: expected a chat template that takes a prompt and a response, found one that does not "
            f"({type(error).__name__}): remove it from a copy of the model, and name that"
        ) from None
    return before, between, after.strip() or names["eos_token"]


def template_ids(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The ids that a tokenizer of `as_chat` puts before a prompt, and those between it and the answer."""
    special = json.loads(tokenizer.to_str())["post_processor"]["special_tokens"]
    before, between = (list(special[name]["ids"]) if name in special else [] for name in ("before", "between"))
    return before, between


def end_token(tokenizer: Any) -> int:
    """The id that ends an answer."""
    return int(tokenizer.encode("a", "a").ids[-1])


def encode(tokenizer: str, max_tokens: int, long_notes: str, stride: int, frame: pl.DataFrame) -> Result:
    """The table `tokens` of one shard, and how many notes, rows, tokens, cut notes and unknown tokens it has.

    tokenizer: of `as_chat`. The type of a token (`token_type_ids`) is 1 where the model is to learn it: the response and its
    end. Without a response, as somebody asks, there is none. Raises DataError where the chat template leaves no room.
    """
    encoder = load(tokenizer, max_tokens, 0, paired=False, whole=True)
    texts = frame["text"].str.strip_chars().to_list()
    if "response" in frame.columns:
        texts = list(zip(texts, frame["response"].str.strip_chars().to_list(), strict=True))
    encodings = encoder.encode_batch_fast(texts)
    rows = [fit_prompt(each, max_tokens // 2, long_notes) for each in encodings]
    ids = list_column("input_ids", [row[:max_tokens] for row, _ in rows])
    types = list_column("token_type_ids", [row[:max_tokens] for _, row in rows])
    columns = [ids, types, ids.list.len().cast(pl.Int32).alias("length")]
    table = frame.select(name for name in ("note_id", "patient_id") if name in frame.columns).with_columns(columns)
    cut = sum(len(each.ids) > length for each, length in zip(encodings, table["length"], strict=True))
    return Result(
        {"tokens": table}, {"notes": table.height, "rows": table.height, "truncated": cut, **count_tokens(encoder, ids)}
    )


def fit_prompt(encoding: Any, room: int, long_notes: str) -> tuple[list[int], list[int]]:
    """Ids and types, in which the prompt with its template takes at most `room` tokens."""
    ids, types = encoding.ids, encoding.type_ids
    excess = types.count(0) - room
    if excess <= 0:
        return ids, types
    places = [place for place, sequence in enumerate(encoding.sequence_ids) if sequence == 0]
    left = len(places) - excess
    if left <= 0:
        raise DataError(
            f"the chat template alone has {types.count(0) - len(places)} tokens, expected fewer than half of "
            f"tokenize.max_tokens = {2 * room}: raise it"
        )
    start = places[0] + (round(HEAD * left) if long_notes == "head_tail" else left)
    return ids[:start] + ids[start + excess :], types[:start] + types[start + excess :]


def _chat_template(base: Path, settings: dict[str, Any]) -> str | None:
    if (base / "chat_template.jinja").is_file():
        return (base / "chat_template.jinja").read_text(encoding="utf-8")
    template = settings.get("chat_template")
    if isinstance(template, list):
        template = {each["name"]: each["template"] for each in template}.get("default")
    return template


def _token(value: Any) -> str:
    """A special token's text, which tokenizer_config.json has plain or with how it is matched."""
    return str(value["content"] if isinstance(value, dict) else value or "")


def _read_json(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}
