"""What the report and the cards show, as plain rows made from metrics/*.json and metrics/plots/*.csv.

A figure that a stage did not give is left out, never made up: everything here takes what exists.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from dxtune.errors import DataError
from dxtune.files import md5_of, read_json
from dxtune.params import Model
from dxtune.paths import Paths
from dxtune.records import SMALLEST_GROUP
from dxtune.reporting.figures import Estimate

STAGES = ("collect", "deidentify", "preprocess", "tokenize", "train", "evaluate", "probe")
OPTIONAL = ("explain",)
"""Stages whose metrics the cards and the report can do without."""
METRICS: Mapping[str, Mapping[str, type]] = {
    "collect": {"rows": int, "records": int},
    "deidentify": {"notes": int},
    "preprocess": {"rows": int, "train": dict, "validation": dict, "test": dict},
    "evaluate": {"test": dict},
    "probe": {"robustness": dict, "membership": dict},
}
"""What some metrics must be, where they are there: everything else is made from them."""
PLOTS = {
    "loss": ("step", "loss"),
    "validation": ("epoch", "loss"),
    "roc": ("false_positive_rate", "true_positive_rate"),
    "precision_recall": ("recall", "precision"),
    "calibration": ("confidence", "accuracy"),
    "confusion": ("actual", "predicted"),
    "decision": ("threshold", "model", "all", "none"),
    "risk_coverage": ("coverage", "risk"),
    "participants": ("variable", "value", "train", "validation", "test"),
    "words": ("label", "word"),
    "cohorts": ("cohort", "patients", "notes", "error", "low", "high", "gap", "gap_low", "gap_high"),
}
"""The tables that a report can show, and the columns that it reads."""

NAMES = {
    "macro_auroc": "Macro AUROC",
    "macro_auprc": "Macro AUPRC",
    "brier": "Brier score",
    "ece": "Calibration error",
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "micro_f1": "Micro F1",
    "micro_auroc": "Micro AUROC",
    "exact_match": "Exact match",
    "token_f1": "Token F1",
    "span_f1": "Span F1",
    "span_match": "Exact spans",
    "perplexity": "Perplexity",
    "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2",
    "rouge_l": "ROUGE-L",
    "overlap": "Overlap in meaning",
    "exact": "Exact short answers",
    "cut_share": "Share of cut answers",
    "phi_share": "Share that holds identifiers",
}
RANKED = ("micro_auroc", "macro_auroc", "macro_auprc", "exact_match", "brier", "ece")
GENERATION = ("perplexity", "rouge_1", "rouge_2", "rouge_l", "overlap", "exact", "cut_share", "phi_share")
RIVALS_OF_LABELS = ("TF-IDF + logistic", "Most frequent label")
RIVALS = dict.fromkeys(("token_f1", "exact_match"), ("Likest sentence", "Never an answer"))
RIVALS |= dict.fromkeys(("rouge_l", "rouge_1"), ("Response to the likest training prompt", ""))
"""What a figure stands beside, where that is not RIVALS_OF_LABELS."""
DECISIONS = {
    "Alerts": {
        "alert_sensitivity": "Sensitivity",
        "alert_specificity": "Specificity",
        "alert_ppv": "Positive predictive value",
        "alert_npv": "Negative predictive value",
        "alert_per_100_patients": "Patients of 100 with an alert",
        "alert_net_benefit": "Net benefit",
        "alert_net_benefit_of_all": "Net benefit of an alert for everybody",
    },
    "Answers": {"answered_share": "Notes that get an answer", "answer_risk": "Wrong answers among them"},
    "Sets of possible labels": {
        "set_coverage": "Sets that hold the actual label",
        "set_size": "Labels in a set",
        "set_of_one_share": "Sets of one label",
    },
    "Unlike the notes of training": {"unlike_share": "Notes that are unlike them"},
}
"""What metrics/evaluate.json calls decisions, under headings, with their names on a page."""
WRITTEN_OTHERWISE = {
    "typos": "With typing errors",
    "abbreviated": "Abbreviated",
    "spelled_out": "Abbreviations spelled out",
    "reordered": "In another order",
    "lower_case": "Without capitals",
    "negations": "Negations turned round: the truth may be another",
    "another_site": "At the site furthest behind all others",
}
"""What metrics/probe.json calls perturbations, with their names on a page."""
LOST = {
    "macro_f1": "Macro F1 lost on the same notes",
    "token_f1": "Token F1 lost on the same notes",
    "log_likelihood": "Nats a token by which recorded responses get less likely",
}
"""What it says of a drop, by the figure that drops."""
CHANGED = "Share of answers that become other ones"
GIVEN_AWAY = {
    "Training patients told from others by the loss": ("membership", {"auc": "Area under the ROC curve; 0.5 is a guess"}),
    "Responses completed word by word": (
        "extraction",
        {"train_share": "Of training", "test_share": "Never seen before", "difference": "The difference"},
    ),
    "Bits by which made-up secrets are exposed; 10 at the most, 1.4 is a guess": (
        "exposure",
        {"trained": "Learned in training", "unseen": "Never seen", "difference": "The difference"},
    ),
}
"""What it says of the weights, under headings."""
ORIGIN = ("dataset", "revision", "config", "files", "formats", "licence")
"""Of the metrics of collect, what says where the notes came from, beside hashes and years."""
SAMPLES = 8
"""Answers that the report shows."""

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Facts:
    """Every stage's metrics by its name, and the tables of the plots that exist."""

    stages: Mapping[str, Values]
    plots: Mapping[str, pl.DataFrame]

    def __getitem__(self, stage: str) -> Values:
        return self.stages[stage]


def read_facts(metrics: Path) -> Facts:
    """The metrics of all stages. Raises DataError where a stage's file is absent or not JSON."""
    stages = {}
    for stage in (*STAGES, *(name for name in OPTIONAL if (metrics / f"{name}.json").is_file())):
        file = metrics / f"{stage}.json"
        stages[stage] = read_json(file)
        if not isinstance(stages[stage], dict):
            raise DataError(f"{file}: expected metrics by name, found none: run dvc repro again")
        for name, kind in METRICS.get(stage, {}).items():
            if not isinstance(value := stages[stage].get(name, kind()), kind):
                raise DataError(
                    f"{file}: {name}: expected a value of type {kind.__name__}, found {type(value).__name__}: "
                    "run dvc repro again"
                )
    text: dict[str, dict[str, type[pl.DataType]]] = {"confusion": {"actual": pl.String, "predicted": pl.String}}
    text |= {"words": {"label": pl.String, "word": pl.String}, "cohorts": {"cohort": pl.String}}
    text["participants"] = dict.fromkeys(("variable", "value", "train", "validation", "test"), pl.String)
    files = {name: metrics / "plots" / f"{name}.csv" for name in PLOTS}
    plots = {name: _read_plot(file, PLOTS[name], text.get(name)) for name, file in files.items() if file.is_file()}
    return Facts(stages, {name: table for name, table in plots.items() if table.height})


def _read_plot(file: Path, columns: tuple[str, ...], types: Mapping[str, type[pl.DataType]] | None) -> pl.DataFrame:
    try:
        table = pl.read_csv(file, schema_overrides=types)
    except pl.exceptions.PolarsError:  # its text quotes the file
        table = pl.DataFrame()
    if missing := [name for name in columns if name not in table.columns]:
        raise DataError(
            f"{file}: expected the columns {', '.join(columns)}; missing: {', '.join(missing)}: run dvc repro again"
        )
    return table


def read_samples(predictions: Path) -> list[dict[str, Any]]:
    """Prompts of the test split with reference and answer, the first by id; none where a task writes no text.

    They are made from de-identified notes, and stand in the report alone: metrics hold no text.
    """
    if not predictions.is_file() or "answer" not in pl.read_parquet_schema(predictions):
        return []
    columns = ("prompt", "reference", "answer", "cut")
    return pl.read_parquet(predictions).filter(split="test").sort("note_id").head(SAMPLES).select(columns).to_dicts()


def estimate(values: Values, name: str, label: str, style: str = "other") -> Estimate | None:
    """A value with its interval from a stage's metrics, None where it is not there."""
    if name not in values:
        return None
    return Estimate(label, values[name], values.get(f"{name}_low"), values.get(f"{name}_high"), style)


def headline(evaluate: Values) -> tuple[str, str]:
    """The two figures that a report begins with: of question answering, generation, multilabel, or classification."""
    test = evaluate.get("test", {})
    if "token_f1" in test:
        return "token_f1", "exact_match"
    if "rouge_l" in test:
        return "rouge_l", "rouge_1"
    return ("micro_f1", "macro_f1") if "micro_f1" in test and "accuracy" not in test else ("accuracy", "macro_f1")


def rival(name: str, linear: str) -> str:
    """What stands beside a figure, within a sentence; `linear`: what the linear model on words is called there.

    >>> rival("token_f1", "TF-IDF"), rival("accuracy", "TF-IDF")
    ('the likest sentence', 'TF-IDF')
    """
    return f"the {RIVALS[name][0].lower()}" if name in RIVALS else linear


def tiles(evaluate: Values) -> list[str]:
    """The names of the other figures of the test split, in the order in which they are shown."""
    shown = headline(evaluate)
    return [name for name in (*RANKED, *GENERATION) if name in evaluate.get("test", {}) and name not in shown]


def comparisons(evaluate: Values, name: str) -> list[Estimate]:
    """The model's value of a headline figure, that of each baseline, and the ceiling."""
    baseline, ceiling = evaluate.get("baseline", {}), evaluate.get("ceiling", {})
    linear, simple = RIVALS.get(name, RIVALS_OF_LABELS)
    rows = [
        estimate(evaluate.get("test", {}), name, "This model", "model"),
        estimate(baseline, f"tfidf_{name}", linear),
        estimate(baseline, f"majority_{name}", simple),
        estimate(ceiling, name, "Best possible (Bayes)", "ceiling"),
    ]
    return [row for row in rows if row is not None]


def class_rows(evaluate: Values) -> list[dict[str, Any]]:
    """One row a label with its figures, the lowest F1 first; labels without an F1 last."""
    rows = [{"label": label, **figures} for label, figures in evaluate.get("test", {}).get("per_class", {}).items()]
    return sorted(rows, key=lambda row: (row.get("f1", 2.0), row["label"]))


def subgroup_rows(evaluate: Values) -> dict[str, list[dict[str, Any]]]:
    """The subgroups' rows by column; groups of fewer than ten patients only say that they are too small."""
    first, columns = headline(evaluate)[0], {}
    for column, groups in sorted(evaluate.get("test", {}).get("subgroups", {}).items()):
        rows = []
        for value, figures in sorted(groups.items()):
            small = first not in figures or figures.get("patients", 0) < SMALLEST_GROUP
            rows.append({"value": value, "small": True} if small else {"value": value, "small": False, **figures})
        if rows:
            columns[column] = rows
    return columns


def decision_rows(evaluate: Values) -> dict[str, list[dict[str, Any]]]:
    """What using the model comes to: under each heading its figures with their intervals, those that were measured."""
    found = evaluate.get("decision", {})
    made = {heading: _rows(found, names) for heading, names in DECISIONS.items()}
    return {heading: rows for heading, rows in made.items() if rows}


def probe_rows(probe: Values) -> dict[str, list[dict[str, Any]]]:
    """What was found by asking the model: under each heading its figures with their intervals, those that were measured."""
    kinds = probe.get("robustness", {})
    lost = next((heading for figure, heading in LOST.items() if figure in kinds), "")
    made = {
        heading: [row for kind, label in WRITTEN_OTHERWISE.items() for row in _rows(kinds.get(kind, {}), {name: label})]
        for name, heading in {"drop": lost, "changed_share": CHANGED}.items()
    }
    made |= {heading: _rows(probe.get(part, {}), names) for heading, (part, names) in GIVEN_AWAY.items()}
    return {heading: rows for heading, rows in made.items() if rows}


def _rows(found: Values, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Label, value and ends of the interval of the figures that are there."""
    return [
        {"name": label, "value": found[name], "low": found.get(f"{name}_low"), "high": found.get(f"{name}_high")}
        for name, label in names.items()
        if name in found
    ]


def targets(evaluate: Values) -> str:
    """What was to be met on validation, within a sentence; empty where nothing was.

    >>> targets({"decision": {"target_risk": 0.1, "target_sensitivity": 0.9}})
    'risk 0.1, sensitivity 0.9'
    """
    found = evaluate.get("decision", {})
    return ", ".join(f"{name[7:]} {value:g}" for name, value in sorted(found.items()) if name.startswith("target_"))


def flow(facts: Facts) -> list[dict[str, Any]]:
    """The steps from rows collected to splits: name, number, and what was taken out on the way and why."""
    collect, deidentify, preprocess = facts["collect"], facts["deidentify"], facts["preprocess"]
    kept = sum(preprocess.get(split, {}).get("notes", 0) for split in ("train", "validation", "test"))
    steps = [
        {"name": "rows collected", "number": collect.get("rows"), "lost": []},
        {"name": "usable records", "number": collect.get("records"), "lost": _losses(collect, "quarantined")},
        {"name": "notes de-identified", "number": deidentify.get("notes"), "lost": _losses(deidentify, "quarantined")},
        {
            "name": "notes in the splits",
            "number": kept or None,
            "lost": _losses(preprocess, "quarantined") + _losses(preprocess, "duplicates"),
        },
    ]
    return [step for step in steps if step["number"] is not None]


def source_rows(collect: Values, source: str) -> list[tuple[str, str]]:
    """Where the notes came from, as the source told it: name and value, such as a revision, hashes of files, licence, years.

    >>> source_rows({"licence": "CC0-1.0", "first_year": 2011, "last_year": 2019, "rows": 3}, "hub")
    [('Source', 'hub'), ('Licence', 'CC0-1.0'), ('Years', '2011 to 2019')]
    """
    rows = [("Source", source)]
    rows += [(name.capitalize(), str(collect[name])) for name in ORIGIN if name in collect]
    rows += [
        (f"SHA-256{name[6:].replace('_', ' ')}", str(value)) for name, value in collect.items() if name.startswith("sha256")
    ]
    if "first_year" in collect:
        shifted = ", shifted" if collect.get("years_shifted") == "yes" else ""
        rows.append(("Years", f"{collect['first_year']} to {collect['last_year']}{shifted}"))
    return rows


def lineage_rows(facts: Facts, source: str, model: Model) -> list[tuple[str, str]]:
    """What the model was made from, name and value: source files, key, tokens, labels, base model, packages."""
    train = facts["train"]
    rows = source_rows(facts["collect"], source)
    rows.append(("Key of de-identification (fingerprint)", str(facts["deidentify"].get("key_fingerprint", ""))))
    rows.append(("SHA-256 of the tokens that it learned from", str(train.get("data_sha256", ""))))
    rows.append(("SHA-256 of the label map", str(train.get("labels_sha256", ""))))
    rows.append(("Base model", str(train.get("base_model", model.name))))
    rows.append(("Revision of the base model", str(model.revision or "")))
    rows.append(("SHA-256 of the base weights", str(train.get("base_model_sha256") or model.sha256 or "")))
    rows += [(name, str(version)) for name, version in train.get("versions", {}).items()]
    return [(name, value) for name, value in rows if value]


def hash_rows(paths: Paths) -> list[tuple[str, str]]:
    """The files that the report is made from, and the MD5 of each, which dvc.lock has too."""
    metrics = [paths.metrics / f"{stage}.json" for stage in (*STAGES, *OPTIONAL)]
    files = [path for path in (*metrics, paths.previous, paths.predictions, paths.attributions) if path.is_file()]
    return [(path.relative_to(paths.root).as_posix(), md5_of(path)) for path in files]


def split_rows(preprocess: Values) -> list[dict[str, Any]]:
    """Notes and patients of each split, and its share of all notes."""
    rows = [{"split": split, **preprocess[split]} for split in ("train", "validation", "test") if split in preprocess]
    total = sum(row.get("notes", 0) for row in rows)
    return [row | ({"share": row["notes"] / total} if total and "notes" in row else {}) for row in rows]


def label_rows(preprocess: Values) -> list[dict[str, Any]]:
    """Notes of each label in each split, by label."""
    labels = preprocess.get("labels", {})
    return [{"label": label, **counts} for label, counts in sorted(labels.items())] if isinstance(labels, Mapping) else []


def participant_rows(facts: Facts) -> list[dict[str, str]]:
    """The table of participants (TRIPOD+AI), as preprocess wrote it but for the labels, which have a table of their own."""
    table = facts.plots.get("participants")
    rows = [] if table is None else table.fill_null("").to_dicts()
    return [row for row in rows if row["variable"] not in ("label", "patients", "notes")]


def deidentification_rows(deidentify: Values) -> list[dict[str, Any]]:
    """One row a kind of identifier: spans masked, and recall on synthetic gold where it was measured."""
    spans = {key.removeprefix("spans_"): number for key, number in deidentify.items() if key.startswith("spans_")}
    recall = deidentify.get("full_recall_by_type", {})
    found: list[dict[str, Any]] = [
        {"type": kind, "spans": spans.get(kind), "recall": recall.get(kind)} for kind in {*spans, *recall}
    ]
    return sorted(found, key=lambda row: (-(row["spans"] or 0), row["type"]))


def confusion_counts(table: pl.DataFrame) -> tuple[dict[tuple[str, str], int], list[str]]:
    """How many notes have each pair of actual and predicted label, and all labels sorted."""
    counts = Counter(zip(table["actual"].to_list(), table["predicted"].to_list(), strict=True))
    return dict(counts), sorted({label for pair in counts for label in pair}, key=lambda label: (label.casefold(), label))


def _losses(values: Values, key: str) -> list[str]:
    """Sentences such as `12 quarantined (8 empty text)`; none where nothing was lost."""
    if not values.get(key):
        return []
    prefix = f"{key}_"
    reasons = [
        f"{number} {re.sub('_+', ' ', name[len(prefix) :])}" for name, number in values.items() if name.startswith(prefix)
    ]
    return [f"{values[key]} {key}" + (f" ({', '.join(sorted(reasons))})" if reasons else "")]
