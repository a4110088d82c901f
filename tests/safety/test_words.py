"""Words: put together from their tokens in vocabularies of both kinds, and listed only if ten patients have them."""

from pathlib import Path

import numpy as np
import polars as pl
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from dxtune.safety.words import MOST, TABLE, WORD, influential, words_of
from dxtune.training.base_model import load_tokenizer


def test_word_pieces_become_words_and_their_scores_add_up(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    encoded = tokenizer.encode("Dyspnoea, qqzzyx and cough.")
    assert any(token.startswith("##") for token in encoded.tokens)
    scores = np.arange(len(encoded.ids), dtype=np.float64)
    special = [tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]")]
    found = list(words_of(encoded.ids, scores, tokenizer, special))
    assert "".join(word for word, _ in found).replace("[UNK]", "") in "dyspnoea,qqzzyxandcough."
    assert [word for word, _ in found][-3:] == ["and", "cough", "."]
    assert sum(score for _, score in found) == scores[1:-1].sum()


def test_byte_pairs_become_words_too() -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=270, special_tokens=["<s>"], show_progress=False)
    tokenizer.train_from_iterator(["fever and cough", "fever, then rash"] * 3, trainer)
    encoded = tokenizer.encode("fever, then cough")
    found = list(words_of([0, *encoded.ids], np.ones(len(encoded.ids) + 1), tokenizer, [0]))
    assert [word for word, _ in found] == ["fever", ",", "then", "cough"]
    assert sum(score for _, score in found) == len(encoded.ids)


def test_influential_words_are_those_of_ten_patients_and_of_their_label() -> None:
    rows = [(f"n{n}", f"p{n}", "asthma", word, score) for n in range(12) for word, score in (("Wheeze", 3.0), ("the", 1.0))]
    rows += [(f"n{n}", f"p{n}", "asthma", "rare", 50.0) for n in range(9)]
    rows += [(f"n{n}", "p0", "asthma", "same patient", 50.0) for n in range(20, 40)]
    rows += [(f"m{n}", f"q{n}", "flu", word, score) for n in range(10) for word, score in (("fever", 1.0), ("wheeze", -1.0))]
    rows += [(f"m{n}", f"q{n}", "flu", str(n // 9), 9.0) for n in range(10)]
    table = influential(pl.DataFrame(rows, schema=WORD, orient="row"))
    assert table.schema == pl.Schema(TABLE)
    assert table.select("label", "word", "notes", "patients").rows() == [
        ("asthma", "wheeze", 12, 12),
        ("asthma", "the", 12, 12),
        ("flu", "fever", 10, 10),
    ]
    many = [(f"n{n}", f"p{n}", "flu", f"word {word}", 1.0 + word) for n in range(10) for word in range(30)]
    listed = influential(pl.DataFrame(many, schema=WORD, orient="row"))["word"].to_list()
    assert listed == [f"word {number}" for number in range(29, 29 - MOST, -1)]
    assert influential(pl.DataFrame(schema=WORD)).rows() == []
