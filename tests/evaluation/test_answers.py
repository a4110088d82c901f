"""evaluation/answers*.py: SQuAD's figures by hand and against transformers' own, spans, and the threshold of no answer."""

import json
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from dxtune.evaluation import answers
from dxtune.evaluation.answers_assessment import measure, nearest_sentences
from dxtune.params import Params

WORDS = st.lists(st.sampled_from(["pain", "left", "lung", "in"]), min_size=1, max_size=7)


def test_figures_worked_out_by_hand() -> None:
    assert answers.exact("The left lung.", "left lung") == 1
    assert answers.exact("left lung", "lung") == 0
    # gold: left lower lobe; said: lower lobe of lung: 2 words shared of 3 and 4
    assert answers.token_f1("the left lower lobe", "lower lobe of lung") == pytest.approx(2 * 2 / 7)
    assert answers.token_f1("pain pain", "pain") == pytest.approx(2 / 3), "a word counts as often as it stands there"
    assert [answers.token_f1(*pair) for pair in (("", ""), ("", "lung"), ("lung", ""))] == [1, 0, 0]


@pytest.mark.parametrize(
    ("answer", "normal"),
    [("The E. coli!", "e coli"), ("  an  A-line", "aline"), ("theatre, a", "theatre"), ("", ""), ("The", "")],
)
def test_answers_are_normalised_as_squads_script_does(answer: str, normal: str) -> None:
    assert answers.normalise(answer) == normal


@settings(deadline=None, max_examples=50)
@given(WORDS, WORDS)
def test_token_f1_is_that_of_scikit_learn_over_the_words_places(gold: list[str], said: list[str]) -> None:
    truth, given_ = [], []
    for word in {*gold, *said}:  # each time that a word could stand there is a decision
        times = max(gold.count(word), said.count(word))
        truth += [place < gold.count(word) for place in range(times)]
        given_ += [place < said.count(word) for place in range(times)]
    assert answers.token_f1(" ".join(gold), " ".join(said)) == pytest.approx(f1_score(truth, given_))


def table(*rows: tuple[int, int, float]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"start": pl.Int64, "end": pl.Int64, "no_answer": pl.Float64}, orient="row")


def gold(*rows: tuple[int | None, int | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"answer_start": pl.Int64, "answer_end": pl.Int64}, orient="row")


def test_overlap_counts_characters_and_none_is_right_where_there_is_none() -> None:
    made = table((0, 10, -1), (0, 10, -1), (5, 9, -1), (0, 3, 5), (0, 3, 5))
    truth = gold((0, 10), (5, 15), (9, 12), (None, None), (0, 3))
    assert answers.overlap(made, truth, 0.0).tolist() == [1, 0.5, 0, 1, 0]
    assert answers.overlap(made, truth, 9.0).tolist() == [1, 0.5, 0, 0, 1]


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 12), st.integers(-5, 5)), min_size=1, max_size=20))
def test_no_other_threshold_is_better(rows: list[tuple[bool, int, int]]) -> None:
    made = table(*((start, start + 6, float(value)) for _, start, value in rows))
    truth = gold(*((6, 12) if has else (None, None) for has, _, _ in rows))
    best = answers.fit_no_answer(made, truth)
    tried = [answers.overlap(made, truth, value).mean() for value in np.arange(-6.5, 7, 0.5)]
    assert answers.overlap(made, truth, best).mean() == pytest.approx(max(tried))


def test_all_figures_have_intervals_and_stand_beside_the_nearest_sentence(params_with: Callable[..., Params]) -> None:
    params = params_with(collect={"subgroup_columns": ["sex"]}, evaluate={"bootstrap_resamples": 100})
    text, asked = "She had fever for days. No cough was heard.", "what about the cough?"
    notes, parts = {}, []
    for split in ("train", "validation", "test"):
        notes[split] = pl.DataFrame(
            {
                "note_id": [f"{split}-{number:02d}" for number in range(40)],
                "patient_id": [f"{split}-p{number // 2}" for number in range(40)],
                "text": [text] * 40,
                "question": [asked] * 40,
                "answer": ["No cough" if number % 4 else "" for number in range(40)],
                "sex": ["f" if number % 4 < 2 else "m" for number in range(40)],
            }
        )
        spans = [(24, 32, -1.0 if number % 4 else 1.0) if number % 8 < 6 else (0, 3, -1.0) for number in range(40)]
        strange = pl.Series("unlike", [1.0 if number % 10 == 0 else 0.5 for number in range(40)])
        ids = notes[split].select("note_id", "patient_id", pl.lit(split).alias("split"))
        parts.append(ids.hstack(table(*spans)).with_columns(strange))
    figures, tables = measure(notes, pl.concat(parts), 0.0, params)
    test, beside = figures["test"], figures["baseline"]
    # of eight notes the first and the fifth have no answer, rightly; the seventh and the eighth get "She" for "No cough"
    assert (test["notes"], test["patients"], test["answerable"]) == (40, 20, 30)
    assert test["exact_match"] == test["token_f1"] == 6 / 8
    assert test["answerable_exact_match"] == pytest.approx(4 / 6, abs=1e-6) and test["unanswerable_exact_match"] == 1
    assert test["exact_match_low"] < test["exact_match"] < test["exact_match_high"]
    decision = figures["decision"]
    assert decision["unlike_share_low"] <= decision["unlike_share"] == 0.1 <= decision["unlike_share_high"]
    assert set(test["subgroups"]["sex"]) == {"f", "m"}
    assert test["subgroups"]["sex"]["m"]["token_f1"] == pytest.approx(0.5)
    assert beside["majority_exact_match"] == 0.25 and beside["tfidf_exact_match"] == 0
    assert beside["tfidf_token_f1"] == pytest.approx(0.75 * 2 * 2 / (2 + 4), abs=1e-6), "No cough was heard"
    assert {name: made.height for name, made in tables.items() if made.height} == {"subgroups": 4}
    json.dumps(figures, allow_nan=False)
    assert nearest_sentences(notes["train"], notes["test"])[0] == "No cough was heard."
