"""All stages, one after the other, for the tasks that are not the default: real files in, a model that answers out."""

import json
import random
from collections.abc import Callable
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dxtune import records
from dxtune.params import Params
from dxtune.paths import Paths
from dxtune.predict import Predictor
from dxtune.shards import read_corpus
from dxtune.stages.explain import NOTES
from tests.tasks.causal import build_tiny_llama

STAGES = ("collect", "deidentify", "preprocess", "tokenize", "train", "evaluate", "probe", "explain", "previous", "report")
FINDINGS = {"lung": ("cough", "wheezing", "dyspnea"), "gut": ("nausea", "vomiting", "diarrhea"), "skin": ("rash", "itching")}
FILLER = ("the patient was seen in the clinic", "vital signs were stable", "no family history was known", "diet was discussed")


def note(rng: random.Random, findings: list[str], sentences: int) -> str:
    """A note of so many sentences, one of them for each finding."""
    said = [f"there was {finding} since {rng.randint(2, 60)} days." for finding in findings]
    said += [f"{rng.choice(FILLER)} at visit {rng.randint(1, 999)}." for _ in range(sentences - len(findings))]
    rng.shuffle(said)
    return " ".join(said)


def write(rows: list[dict[str, Any]], folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "notes.jsonl"
    path.write_text("".join(json.dumps({"id": f"n{number}", **row}) + "\n" for number, row in enumerate(rows)))
    return str(path)


@pytest.fixture
def settings(params_with: Callable[..., Params], tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Params]:
    monkeypatch.delenv("DVC_ROOT", raising=False)

    def make(task: str, path: str, collect: dict[str, Any], tokenize: dict[str, Any], **train: Any) -> Params:
        own = {"source": "table", "path": path, "note_id_column": "id", "subgroup_columns": []}
        return params_with(
            task=task,
            collect=own | collect,
            deidentify={"key": "public"},
            preprocess={"min_notes_per_label": 2, "min_characters": 5, "max_leaked_share": 1.0},
            model={"name": str(tiny_model), "sha256": None},
            tokenize={"max_truncated_share": 1.0} | tokenize,
            train={"precision": "fp32", "threads": 1, "lr": 3e-3, "epochs": 2} | train,
            evaluate={"bootstrap_resamples": 100},
            explain={"show_text": task == "classification"},
        )

    return make


def run(params: Params, paths: Paths) -> dict[str, Any]:
    """Runs all stages; the figures of evaluate."""
    for stage in STAGES:
        import_module(f"dxtune.stages.{stage}").run(params, paths)
    report = (paths.reports / "report.html").read_text()
    assert "Results on the test split" in report and "None" not in report
    shown = {"multilabel": "Micro F1", "question-answering": "Exact match", "classification": "Accuracy"}.get(params.task, "")
    assert f"<h3>{shown}</h3>" in report or params.task == "generation"
    assert f"| {shown} | 0." in (paths.reports / "model_card.md").read_text() or params.task == "generation"
    made = pl.read_parquet(paths.predictions)
    assert list(made.schema.items()) == list(records.predictions(params.task).items())
    notes = {split: read_corpus(paths.processed / split) for split in ("validation", "test")}
    for split, frame in notes.items():
        assert made.filter(split=split)["note_id"].to_list() == sorted(frame["note_id"]), "one prediction a note"
    tokens = {split: set(read_corpus(paths.tokens / split)["note_id"]) for split in ("train", "validation", "test")}
    assert not tokens["train"] & tokens["validation"] and not (tokens["train"] | tokens["validation"]) & tokens["test"]
    figures: dict[str, Any] = json.loads((paths.metrics / "evaluate.json").read_text())
    assert figures["test"]["notes"] == notes["test"].height
    check_probe(json.loads((paths.metrics / "probe.json").read_text()), figures["test"], params.task)
    check_why(params, paths, notes["test"].height)
    return figures


def check_probe(probed: dict[str, Any], test: dict[str, Any], task: str) -> None:
    """What belongs to the task is there, and the notes as they are have the figures of evaluate."""
    membership = probed["membership"]
    assert 0 <= membership["auc_low"] <= membership["auc"] <= membership["auc_high"] <= 1
    assert membership["test_patients"] == test["patients"]
    assert ("extraction" in probed) == ("exposure" in probed) == (task == "generation")
    figure = {"question-answering": "token_f1", "generation": "log_likelihood"}.get(task, "macro_f1")
    worth, typos = probed["robustness"], probed["robustness"]["typos"]
    if task == "generation":
        assert probed["exposure"]["canaries"] == 12 and 0 <= probed["exposure"]["unseen"] <= 10
        assert worth[f"{figure}_low"] <= worth[figure] <= worth[f"{figure}_high"] < 0 and "changed_share" not in typos
    else:
        ends = (figure, f"{figure}_low", f"{figure}_high")
        assert [worth[name] for name in ends] == pytest.approx([test[name] for name in ends], abs=1e-6)
        assert 0 <= typos["changed_share"] <= 1
    assert typos["drop"] == pytest.approx(worth[figure] - typos[figure], abs=2e-6)
    assert typos["drop_low"] <= typos["drop"] <= typos["drop_high"]


def check_why(params: Params, paths: Paths, notes: int) -> None:
    """Looks at what `explain` wrote: cohorts for every task, attributions where a note gets labels, and no text of a note."""
    figures = json.loads((paths.metrics / "explain.json").read_text())
    cohorts = pl.read_csv(paths.metrics / "plots/cohorts.csv")
    assert cohorts.height == figures["cohorts"] > 0 and cohorts["notes"].sum() <= notes and cohorts["patients"].min() >= 10
    assert 0 <= figures["worst_cohort_low"] <= figures["worst_cohort_error"] <= figures["worst_cohort_high"] <= 1
    weighed = pl.read_parquet(paths.attributions)
    assert list(weighed.schema.items()) == list(records.ATTRIBUTIONS.items())
    shown = params.explain.show_text
    assert weighed["words"].null_count() == (0 if shown else weighed.height), "the notes are not synthetic"
    assert (pl.read_csv(paths.metrics / "plots/words.csv").height > 0) == shown
    labelled = params.task in records.LABEL_IDS
    assert weighed.height == figures.get("notes", 0) == (min(notes, NOTES) if labelled else 0)
    assert ("completeness_error" in figures) == ("comprehensiveness_difference_low" in figures) == labelled
    report = (paths.reports / "report.html").read_text()
    assert "For whom it is wrong" in report and ('class="weighed"' in report) == shown


@pytest.mark.parametrize("pooling", ["mean", "learned"])
def test_multilabel_in_windows(tmp_path: Path, settings: Callable[..., Params], pooling: str) -> None:
    rng, rows = random.Random(1), []
    for _ in range(160):
        labels = [label for label in FINDINGS if rng.random() < 0.4]
        text = note(rng, [rng.choice(FINDINGS[label]) for label in labels], rng.choice((3, 3, 8)))
        rows.append({"text": text, "label": labels})
    windows = {"max_tokens": 48, "long_notes": "windows", "stride": 8}
    how = {"epochs": 8, "window_pooling": pooling}
    params, paths = settings("multilabel", write(rows, tmp_path / "source"), {}, windows, **how), Paths(tmp_path)
    figures = run(params, paths)
    tokenized = json.loads((paths.metrics / "tokenize.json").read_text())
    assert tokenized["truncated_share"] == 0 and tokenized["windows"] > tokenized["notes"]
    test, beside = figures["test"], figures["baseline"]
    assert test["micro_f1"] > beside["majority_micro_f1"]
    assert test["micro_f1_low"] <= test["micro_f1"] <= test["micro_f1_high"]
    trained = json.loads((paths.metrics / "train.json").read_text())
    assert trained["validation_micro_f1"] == pytest.approx(figures["validation"]["micro_f1"], abs=1e-6), "the same thresholds"
    saved = json.loads((paths.model / "dxtune.json").read_text())
    assert saved["window_pooling"] == pooling
    assert [test["per_class"][label]["threshold"] for label in sorted(FINDINGS)] == pytest.approx(saved["thresholds"], abs=1e-6)

    before = {path.name: path.read_bytes() for path in paths.model.iterdir()}
    import_module("dxtune.stages.train").run(params, paths)
    assert {path.name: path.read_bytes() for path in paths.model.iterdir()} == before, "the same bytes again"
    predictor = Predictor(paths.model, precision="fp32")
    raw = {row["text"]: row for row in rows}
    processed = read_corpus(paths.processed / "test").sort("note_id")
    texts = [text for text in processed["text"].to_list() if text in raw][:20]
    assert len(texts) == 20
    rows_of = dict(zip(processed["text"], processed["note_id"], strict=True))
    made = dict(pl.read_parquet(paths.predictions).select("note_id", "probabilities").iter_rows())
    for text, answer in zip(texts, predictor.predict(texts), strict=True):
        assert list(answer.probabilities.values()) == pytest.approx(made[rows_of[text]], abs=2e-6)
        over = [
            name
            for name, value, least in zip(sorted(FINDINGS), made[rows_of[text]], saved["thresholds"], strict=True)
            if value >= least
        ]
        assert list(answer.labels) == over
    assert "*" in str(next(each for each in predictor.predict(texts) if each.labels))


def test_question_answering(tmp_path: Path, settings: Callable[..., Params]) -> None:
    rng, rows = random.Random(2), []
    for number in range(160):
        label = rng.choice(list(FINDINGS))
        finding = rng.choice(FINDINGS[label])
        asked = finding if number % 4 else rng.choice([each for each in FINDINGS["skin"] if each != finding])
        text = note(rng, [finding], rng.choice((2, 8)))
        answer = text[text.index("since") : text.index(" days") + 5] if asked == finding else ""
        rows.append({"text": text, "question": f"since when is there {asked}?", "label": answer})
    windows = {"max_tokens": 64, "long_notes": "windows", "stride": 16}
    params = settings(
        "question-answering", write(rows, tmp_path / "source"), {"question_column": "question"}, windows, epochs=3
    )
    paths = Paths(tmp_path)
    figures = run(params, paths)
    test = figures["test"]
    for name in ("exact_match", "token_f1", "answerable_exact_match", "answerable_token_f1"):
        assert 0 <= test[f"{name}_low"] <= test[name] <= test[f"{name}_high"] <= 1, name
    tokens = read_corpus(paths.tokens / "train")
    assert tokens.height > tokens["note_id"].n_unique(), "several windows a note"
    answered = tokens.filter(pl.col("start_token") > 0)
    texts = dict(read_corpus(paths.processed / "train").select("note_id", "text").iter_rows())
    for row in answered.iter_rows(named=True):
        assert (row["starts"][row["start_token"]], row["ends"][row["end_token"]]) == (row["answer_start"], row["answer_end"])
        assert texts[row["note_id"]][row["answer_start"] : row["answer_end"]].startswith("since")
    predictor = Predictor(paths.model, precision="fp32")
    (answer,) = predictor.predict([rows[1]["text"]], [rows[1]["question"]])
    assert answer.text == rows[1]["text"][answer.start : answer.end]
    assert str(answer) in (answer.text, "(no answer in the note)")


def test_classification_of_a_question_and_its_note(tmp_path: Path, settings: Callable[..., Params]) -> None:
    rng, rows = random.Random(3), []
    for _ in range(120):
        label, asked = rng.choice(list(FINDINGS)), rng.choice(list(FINDINGS))
        finding = rng.choice(FINDINGS[label])
        text = note(rng, [finding], rng.choice((2, 8)))
        rows.append(
            {"text": text, "question": f"is it {rng.choice(FINDINGS[asked])}?", "label": "yes" if label == asked else "no"}
        )
    cut = {"max_tokens": 48, "long_notes": "head_tail"}
    params = settings("classification", write(rows, tmp_path / "source"), {"question_column": "question"}, cut)
    paths = Paths(tmp_path)
    figures = run(params, paths)
    assert 0 < json.loads((paths.metrics / "tokenize.json").read_text())["truncated_share"] < 1
    tokens = read_corpus(paths.tokens / "train")
    assert tokens["length"].max() == 48
    assert tokens["token_type_ids"].list.max().to_list() == [1] * tokens.height
    assert {"accuracy", "macro_f1"} <= figures["test"].keys()


def test_generation(tmp_path: Path, settings: Callable[..., Params]) -> None:
    rng, rows = random.Random(4), []
    for number in range(120):
        finding = rng.choice([each for group in FINDINGS.values() for each in group])
        said = {"text": f"Visit {number}: what is said of {finding}?", "label": "yes" if number % 4 else f"{finding} <b>"}
        rows.append(said | {"site": "north" if number % 3 else "south"})
    base = build_tiny_llama(tmp_path / "llama")
    chat = {"max_tokens": 128, "max_truncated_share": 0.0}
    by_site = {"subgroup_columns": ["site"]}
    params = settings(
        "generation", write(rows, tmp_path / "source"), by_site, chat, lr=2e-2, epochs=2, packing=True, canaries=12
    )
    method = {"name": str(base), "method": "lora"}
    params = params.model_copy(update={"model": params.model.model_copy(update=method)})
    paths = Paths(tmp_path)
    figures = run(params, paths)
    test, beside = figures["test"], figures["baseline"]
    for name in ("rouge_1", "rouge_2", "rouge_l", "overlap", "exact", "cut_share", "phi_share"):
        assert 0 <= test[f"{name}_low"] <= test[name] <= test[f"{name}_high"] <= 1, name
    assert test["perplexity_low"] <= test["perplexity"] <= test["perplexity_high"]
    assert 0 < test["short_references"] <= test["notes"]
    north = test["subgroups"]["site"]["north"]
    assert north["rouge_l_low"] <= north["rouge_l"] <= north["rouge_l_high"]
    assert beside["difference_rouge_l"] == pytest.approx(test["rouge_l"] - beside["tfidf_rouge_l"], abs=2e-6)
    trained = json.loads((paths.metrics / "train.json").read_text())
    assert trained["trained_parameters"] < trained["parameters"] and trained["canaries"] == 12
    assert figures["release"]["released"] == 0 and "12 made-up secrets" in figures["release"]["gates"]["canaries"]["reason"]
    assert "For an audit, not for release" in (paths.reports / "model_card.md").read_text()

    made = pl.read_parquet(paths.predictions)
    report = (paths.reports / "report.html").read_text()
    shown = [row for row in made.filter(split="test").sort("note_id").iter_rows(named=True) if escape(row["prompt"]) in report]
    assert shown, "samples"
    assert all(escape(row["reference"]) in report for row in shown)
    assert not any(row["reference"] in report for row in shown if "<b>" in row["reference"]), "escaped"
    metrics = "".join(path.read_text() for path in paths.metrics.rglob("*") if path.is_file())
    assert "what is said of" not in metrics, "texts stand in data and reports, never in metrics"

    predictor = Predictor(paths.model, threads=1, precision="fp32")
    known = made.filter(split="test")[0]
    raw = next(row["text"] for row in rows if row["text"] == known["prompt"][0])
    (said,) = predictor.predict([raw])
    assert (said.text, said.unlike) == (known["answer"][0], pytest.approx(known["unlike"][0], abs=1e-6))
