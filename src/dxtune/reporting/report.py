"""report.html: one self-contained page, no script, no request to any network, the same bytes from the same metrics."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import ChainableUndefined, Environment, FileSystemLoader
from markupsafe import Markup

from dxtune.params import Params
from dxtune.paths import Paths
from dxtune.reporting import facts as views
from dxtune.reporting import figures, why
from dxtune.reporting.facts import Facts
from dxtune.reporting.figures import Axis, Estimate, Line

SCORES = {"accuracy": "second", "micro_f1": "second", "span_match": "second", "macro_f1": "line", "span_f1": "line"}
"""Figures from 0 to 1 that are drawn by epoch, and how."""
Chart = tuple[str, str, str, Markup]  # title, caption, CSS class of its width, figure


def environment() -> Environment:
    """Templates of this folder: everything is escaped, what is absent is empty."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"count": count, "number": number, "interval": interval, "points": points, "words": words}
    return made


def count(value: Any) -> str:
    """A whole number with thin spaces, a count that is not shown (`<10`) as it is, empty where absent.

    >>> count(12345) == "12\u202f345"
    True
    """
    if isinstance(value, str):
        return value
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int | float) else ""


def number(value: Any, digits: int = 3) -> str:
    """A number with so many digits, a dash where absent.

    >>> number(0.98765), number(None)
    ('0.988', '–')
    """
    return f"{value:.{digits}f}" if isinstance(value, int | float) else "–"


def interval(values: Any, name: str) -> str:
    """The 95 % interval of a value, empty where absent.

    >>> interval({"f1_low": 0.5, "f1_high": 0.75}, "f1")
    '0.500 to 0.750'
    """
    low, high = values.get(f"{name}_low"), values.get(f"{name}_high")
    return "" if low is None or high is None else f"{number(low)} to {number(high)}"


def points(value: Any) -> str:
    """A difference in percentage points with its sign.

    >>> points(-0.0123)
    '−1.2'
    """
    return f"{100 * value:+.1f}".replace("-", "−") if isinstance(value, int | float) else "–"


def words(value: Any) -> str:
    """A column's name as words.

    >>> words("age_band")
    'age band'
    """
    return str(value).replace("_", " ")


def make_report(params: Params, paths: Paths, compared: Mapping[str, Any]) -> str:
    """The page as text, from what stages wrote. compared: of `comparing.page`."""
    samples, weighed = views.read_samples(paths.predictions), why.read_attributions(paths.attributions)
    return render_report(views.read_facts(paths.metrics), params, samples, weighed, compared, views.hash_rows(paths))


def render_report(
    facts: Facts,
    params: Params,
    samples: Sequence[dict[str, Any]] = (),
    weighed: Sequence[dict[str, Any]] = (),
    compared: Mapping[str, Any] | None = None,
    hashes: Sequence[tuple[str, str]] = (),
) -> str:
    """The page as text, from what `make_report` reads; sections of what is absent are left out."""
    evaluate = facts["evaluate"]
    classes, subgroups = views.class_rows(evaluate), views.subgroup_rows(evaluate)
    class_axis = _axis([row.get("f1_low", row.get("f1", 1.0)) for row in classes])
    first, second = views.headline(evaluate)
    group_axis = _axis([row.get(f"{first}_low", 1.0) for rows in subgroups.values() for row in rows])
    return (
        environment()
        .get_template("report.html")
        .render(
            facts=facts.stages,
            report=params.report,
            model=params.model,
            source=params.collect.source,
            names=views.NAMES,
            headline=(first, second),
            rival=views.rival(first, "TF-IDF"),
            generation=views.GENERATION,
            samples=samples,
            compared=compared,
            tiles=views.tiles(evaluate),
            comparisons={name: _comparison(facts, name) for name in (first, second) if views.comparisons(evaluate, name)},
            charts=_charts(facts),
            classes=[row | {"bar": _bar(row, "f1", row["label"], class_axis)} for row in classes],
            class_axis=class_axis,
            subgroups={
                column: [row | {"bar": _bar(row, first, row["value"], group_axis, evaluate["test"].get(first))} for row in rows]
                for column, rows in subgroups.items()
            },
            group_axis=group_axis,
            gap=f"{first}_gap",
            decisions=views.decision_rows(evaluate),
            why={
                "figures": why.figures(facts.stages.get("explain", {})),
                "notes": weighed,
                "words": why.words_by_label(facts.plots.get("words")),
                "cohorts": why.cohort_rows(facts.plots.get("cohorts")),
            },
            targets=views.targets(evaluate),
            probed=views.probe_rows(facts["probe"]),
            flow=views.flow(facts),
            origin=views.lineage_rows(facts, params.collect.source, params.model),
            hashes=hashes,
            splits=views.split_rows(facts["preprocess"]),
            labels=views.label_rows(facts["preprocess"]),
            identifiers=[
                row | {"bar": figures.share_bar(row["recall"], row["type"]) if row["recall"] is not None else ""}
                for row in views.deidentification_rows(facts["deidentify"])
            ],
        )
    )


def _comparison(facts: Facts, name: str) -> Markup:
    rows = views.comparisons(facts["evaluate"], name)
    listed = ", ".join(f"{row.name} {row.value:.3f}" for row in rows)
    return figures.comparison(rows, f"{views.NAMES[name]} from 0 to 1: {listed}")


def _bar(row: dict[str, Any], name: str, label: str, axis: Axis, reference: float | None = None) -> Markup:
    if name not in row:
        return Markup("")
    return figures.interval_bar(Estimate(label, row[name], row.get(f"{name}_low"), row.get(f"{name}_high")), axis, reference)


def _axis(lows: Sequence[float]) -> Axis:
    """From the tenth under the lowest interval to 1."""
    return Axis("", max(0.0, int(min(lows, default=0.0) * 10) / 10), 1.0)


def _charts(facts: Facts) -> list[dict[str, Any]]:
    """The figures whose tables exist: title, caption, SVG, and the CSS class of their width."""
    made = {"roc": _roc, "precision_recall": _precision_recall, "calibration": _calibration}
    made |= {"decision": _net_benefit, "risk_coverage": _risk_coverage}
    made |= {"loss": _loss, "validation": _validation, "confusion": _confusion}
    names = ("title", "caption", "size", "svg")
    there = {name: table for name, table in facts.plots.items() if name != "validation" or {*SCORES} & {*table.columns}}
    return [dict(zip(names, draw(facts, there[name]), strict=True)) for name, draw in made.items() if name in there]


def _roc(facts: Facts, table: pl.DataFrame) -> Chart:
    line = Line(table["false_positive_rate"].to_list(), table["true_positive_rate"].to_list())
    described = f"ROC curve, mean over labels. Macro AUROC {_test(facts, 'macro_auroc')}."
    svg = figures.square_chart(line, Axis("false positive rate"), Axis("true positive rate"), described, diagonal=True)
    return "ROC", "Each label against the rest, mean over labels. Dashed: guessing.", "third", svg


def _precision_recall(facts: Facts, table: pl.DataFrame) -> Chart:
    line = Line(table["recall"].to_list(), table["precision"].to_list())
    described = f"Precision against recall, all labels pooled. Macro AUPRC {_test(facts, 'macro_auprc')}."
    svg = figures.square_chart(line, Axis("recall"), Axis("precision"), described)
    return "Precision and recall", "All labels pooled, over every threshold of the probability.", "third", svg


def _calibration(facts: Facts, table: pl.DataFrame) -> Chart:
    line = Line(table["confidence"].to_list(), table["accuracy"].to_list(), dots=True)
    described = f"Accuracy against confidence in bins of equal size. Calibration error {_test(facts, 'ece')}."
    svg = figures.square_chart(line, Axis("confidence"), Axis("accuracy"), described, diagonal=True)
    return "Calibration", "Equally many notes a dot. Below the dashed line: surer than right.", "third", svg


def _net_benefit(facts: Facts, table: pl.DataFrame) -> Chart:
    thresholds, model, none = (table[name].to_list() for name in ("threshold", "model", "none"))
    highest = max(*model, 0.01)
    low = -highest / 4
    everybody = table.filter(pl.col("all") >= low)  # falls without end: drawn down to the foot of the chart
    lines = [
        Line(thresholds, none, "reference"),
        Line(everybody["threshold"].to_list(), everybody["all"].to_list(), "second"),
        Line(thresholds, [max(value, low) for value in model], "line"),
    ]
    better = sum(value > max(0.0, other) for value, other in zip(model, table["all"].to_list(), strict=True))
    described = f"Net benefit over thresholds, mean over labels: above both other lines at {better} of {len(model)} thresholds."
    svg = figures.wide_chart(lines, Axis("threshold"), Axis("net benefit", low, highest * 1.1), described)
    return (
        "Net benefit",
        "Right alerts less false ones, weighed by the threshold's odds. Falling: alert for all. Dashed: none.",
        "half",
        svg,
    )


def _risk_coverage(facts: Facts, table: pl.DataFrame) -> Chart:
    coverage, risk = table["coverage"].to_list(), table["risk"].to_list()
    decision = facts["evaluate"].get("decision", {})
    lines = [Line(coverage, risk)]
    if "target_risk" in decision:
        lines.insert(0, Line([0, 1], [decision["target_risk"]] * 2, "reference"))
    if "answered_share" in decision and "answer_risk" in decision:
        lines.append(Line([decision["answered_share"]], [decision["answer_risk"]], "line", dots=True))
    described = f"Share of wrong answers from {number(risk[0])} for the surest notes to {number(risk[-1])} for all."
    highest = max(*risk, decision.get("target_risk", 0.0), 0.01) * 1.1
    svg = figures.wide_chart(lines, Axis("share of notes that get an answer"), Axis("wrong", 0.0, highest), described)
    return (
        "Risk and coverage",
        "Wrong answers where only the surest notes get one. Dot: as chosen on validation. Dashed: wanted.",
        "half",
        svg,
    )


def _loss(facts: Facts, table: pl.DataFrame) -> Chart:
    steps, losses = table["step"].to_list(), table["loss"].to_list()
    window = max(1, table.height // 12)
    smooth = table["loss"].rolling_mean(window, min_samples=1, center=True).to_list()
    described = f"Training loss from {number(losses[0])} to {number(losses[-1])} in {steps[-1]} steps."
    lines = [Line(steps, losses, "faint"), Line(steps, smooth)]
    svg = figures.wide_chart(lines, Axis("step", 0, max(steps)), Axis("loss", 0, max(losses)), described)
    return "Training loss", "As it was, and smoothed.", "half", svg


def _validation(facts: Facts, table: pl.DataFrame) -> Chart:
    epochs = table["epoch"].to_list()
    drawn = [(name, style) for name, style in SCORES.items() if name in table.columns]
    last = {name: table[name].to_list()[-1] for name, _ in drawn}
    lowest = min((value for name, _ in drawn for value in table[name].to_list()), default=0.0)
    lines = [
        Line(epochs, table[name].to_list(), style, views.NAMES[name], dots=True, name_below=last[name] < max(last.values()))
        for name, style in drawn
    ]
    listed = ", ".join(f"{views.NAMES[name]} {value:.3f}" for name, value in last.items())
    axis = Axis("score", int(lowest * 10) / 10, 1.0)
    described = f"Validation by epoch; in the last one: {listed}."
    svg = figures.wide_chart(lines, Axis("epoch", min(epochs), max(epochs)), axis, described)
    return "Validation by epoch", "Which epoch is kept is decided here, never on the test notes.", "half", svg


def _confusion(facts: Facts, table: pl.DataFrame) -> Chart:
    counts, labels = views.confusion_counts(table)
    right = sum(notes for (actual, predicted), notes in counts.items() if actual == predicted)
    described = f"Confusion matrix: {right} of the {table.height} notes shown are on the diagonal."
    svg = figures.confusion_matrix(counts, labels, described)
    return (
        "Confusion",
        "Notes of the test split. The stronger the colour, the larger the share of the actual label.",
        "wide",
        svg,
    )


def _test(facts: Facts, name: str) -> str:
    return number(facts["evaluate"].get("test", {}).get(name))
