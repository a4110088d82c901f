"""tasks/prompts.py: the chat template as a part of the tokenizer, what is learned, and what is cut."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dxtune.errors import DataError, ModelError
from dxtune.records import check, tokens
from dxtune.tasks.prompts import as_chat, chat_parts, encode, end_token, template_ids
from dxtune.training.base_model import load_tokenizer
from tests.tasks.causal import TEMPLATE, build_tiny_llama, pairs


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_llama(tmp_path_factory.mktemp("causal") / "llama")


@pytest.fixture(scope="module")
def chat(base: Path) -> Any:
    return as_chat(load_tokenizer(base), base)


def encoded(chat: Any, frame: pl.DataFrame, max_tokens: int = 128, long_notes: str = "truncate") -> tuple[pl.DataFrame, dict]:
    result = encode(chat.to_str(), max_tokens, long_notes, 0, frame)
    return check(result.tables["tokens"], tokens("generation"), "test"), result.facts


def as_lists(table: pl.DataFrame) -> list[tuple[list[int], list[int]]]:
    return list(zip(table["input_ids"].to_list(), table["token_type_ids"].to_list(), strict=True))


def test_ids_are_those_of_the_whole_chat(base: Path, chat: Any) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(base)
    frame = pairs(4)
    table, facts = encoded(chat, frame)
    for row, (ids, types) in zip(frame.to_dicts(), as_lists(table), strict=True):
        asked = [{"role": "user", "content": row["text"]}]
        whole = theirs.apply_chat_template([*asked, {"role": "assistant", "content": row["response"]}], return_dict=False)
        prompt = theirs.apply_chat_template(asked, add_generation_prompt=True, return_dict=False)
        line_break = theirs.encode("\n", add_special_tokens=False)
        assert ids + line_break == whole, "all of it, but for the line break after the end"
        assert ids[: types.count(0)] == prompt
        assert types == sorted(types)
        assert theirs.decode([one for one, kind in zip(ids, types, strict=True) if kind]) == row["response"] + "<|im_end|>"
    assert facts["notes"] == facts["rows"] == 4
    assert facts["truncated"] == 0


def test_saved_and_read_again_it_is_the_same(chat: Any, tmp_path: Path) -> None:
    chat.save(str(tmp_path / "tokenizer.json"))
    again = load_tokenizer(tmp_path)
    assert again.encode("a cough", "rest").ids == chat.encode("a cough", "rest").ids
    assert again.id_to_token(end_token(again)) == "<|im_end|>"
    before, between = template_ids(again)
    assert again.encode("a cough").ids == [*before, *again.encode("a cough", add_special_tokens=False).ids, *between]


def test_without_a_response_there_is_nothing_to_learn(chat: Any) -> None:
    table, _ = encoded(chat, pairs(2))
    asked, _ = encoded(chat, pairs(2).drop("response"))
    assert asked["token_type_ids"].explode().unique().to_list() == [0]
    for (whole, _), (prompt, _) in zip(as_lists(table), as_lists(asked), strict=True):
        assert whole[: len(prompt)] == prompt


@pytest.mark.parametrize("long_notes", ["truncate", "head_tail"])
def test_a_long_prompt_leaves_half_for_the_response(chat: Any, long_notes: str) -> None:
    text = "begin " + "word " * 200 + "finish"
    frame = pairs(2).with_columns(pl.Series("text", [text, "short"]), pl.Series("response", ["rest " * 100, "rest"]))
    table, facts = encoded(chat, frame, 64, long_notes)
    ids, types = table["input_ids"][0].to_list(), table["token_type_ids"][0].to_list()
    assert (len(ids), types.count(0), types.count(1)) == (64, 32, 32)
    assert end_token(chat) not in ids[types.count(0) :], "the end of a response that was cut is not taught"
    prompt = chat.decode(ids[: types.count(0)])
    assert "begin" in prompt
    assert ("finish" in prompt) == (long_notes == "head_tail")
    assert ids[: len(template_ids(chat)[0])] == template_ids(chat)[0]
    assert ids[types.count(0) - len(template_ids(chat)[1]) : types.count(0)] == template_ids(chat)[1]
    assert facts["truncated"] == 1


def test_no_room_is_an_error_without_text(chat: Any) -> None:
    with pytest.raises(DataError, match="chat template alone has") as error:
        encoded(chat, pairs(1), 16)
    assert "cough" not in str(error.value)


@pytest.mark.parametrize(
    ("template", "parts"),
    [
        (None, ("<s>", "\n", "<|im_end|>")),
        (TEMPLATE, ("<s><|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>")),
        ("{% for m in messages %}[{{ m.content | trim }}]{% endfor %}", ("[", "]", "]")),
        ("{% for m in messages %}{{ m.content }} {% endfor %}", ("", " ", "<|im_end|>")),
    ],
    ids=["none", "chatml", "brackets", "spaces"],
)
def test_parts_of_templates(tmp_path: Path, template: str | None, parts: tuple[str, str, str]) -> None:
    assert chat_parts(build_tiny_llama(tmp_path / "m", template)) == parts


def test_a_model_without_a_sign_of_the_end_is_refused(tmp_path: Path) -> None:
    base = build_tiny_llama(tmp_path / "m")
    (base / "tokenizer_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match="expected eos_token"):
        chat_parts(base)


@pytest.mark.parametrize("template", ["{{ raise_exception('no') }}", "fixed text", "{{ ().__class__.__mro__ }}"])
def test_a_template_that_takes_no_prompt_is_refused(tmp_path: Path, template: str) -> None:
    with pytest.raises(ModelError, match="chat template"):
        chat_parts(build_tiny_llama(tmp_path / "m", template))
