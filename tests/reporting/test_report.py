"""The report loads nothing, escapes everything, has the same bytes each time, and shows what there is."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from dxtune.params import Params, load_params
from dxtune.records import ATTRIBUTIONS
from dxtune.reporting.facts import Facts, read_facts, subgroup_rows
from dxtune.reporting.report import render_report
from dxtune.reporting.why import NOTES, read_attributions


@pytest.fixture
def params() -> Params:
    return load_params(Path(__file__).parents[2] / "params.yaml")


@pytest.fixture
def page(metrics: Path, params: Params) -> str:
    return render_report(read_facts(metrics), params)


class Page(HTMLParser):
    """Collects tags and attributes, and checks that tags nest."""

    VOID = ("meta", "line", "rect", "circle", "polyline")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag


def test_nothing_is_loaded_and_nothing_runs(page: str) -> None:
    tags = Page(page).tags
    assert not {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "object", "embed", "base", "form", "image", "use"}
    for tag, attributes in tags:
        assert "src" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
        if "href" in attributes:
            assert str(attributes["href"]).startswith("#")
    assert not re.search(r"url\(|@import|https?://", page)
    assert "default-src 'none'" in page


def test_labels_are_escaped(page: str) -> None:
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_same_metrics_give_the_same_bytes(metrics: Path, params: Params, page: str) -> None:
    assert render_report(read_facts(metrics), params) == page
    assert not re.search(r"20[2-9]\d-[01]\d-[0-3]\d", page)


def test_it_can_be_read_without_eyes(page: str) -> None:
    tags = Page(page).tags
    figures = [attributes for tag, attributes in tags if tag == "svg"]
    assert len(figures) > 20
    assert all(figure["role"] == "img" and figure["aria-label"] for figure in figures)
    assert all(attributes.get("scope") in ("col", "row", "rowgroup") for tag, attributes in tags if tag == "th")
    identifiers = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    targets = {str(attributes["href"])[1:] for tag, attributes in tags if tag == "a"}
    assert targets <= set(identifiers)


def test_it_says_the_headline(page: str) -> None:
    text = " ".join(page.split())
    assert "<strong>87.1 %</strong> of 225 test notes" in text
    assert "<strong>5.8 points more</strong> than a linear model" in text
    for figure in ("0.871", "0.828 to 0.910", "0.813", "0.089", "0.924", "0.988", "0.041", "98.1 %", "−0.4"):
        assert figure in text, figure
    assert "The notes are synthetic." in text
    assert "Not a medical device" in text


def test_it_says_what_using_the_model_comes_to_and_whether_it_may_be_released(page: str) -> None:
    text = " ".join(re.sub("<[^>]+>", " ", page).split())
    assert "Release: not to be released" in text
    assert "ece high at most 0.05 0.059 no macro f1 low at least 0.8 0.813 yes" in text
    assert "chosen on validation for risk 0.1, sensitivity 0.9;" in text
    assert "Patients of 100 with an alert 17.300 15.100 to 19.900" in text
    assert "Wrong answers among them 0.082" in text
    assert "Macro F1 lost on the same notes With typing errors 0.021 -0.003 to 0.046" in text and "Without capitals" not in text
    assert "by the loss Area under the ROC curve; 0.5 is a guess 0.613 0.551 to 0.674" in text
    assert "female 83 0.882 0.781 to 0.983 +1.2 (−8.9 to +11.3)" in text
    figures = {title.strip() for title in re.findall(r"<h3>([^<]*)</h3>", page)}
    assert {"Net benefit", "Risk and coverage", "ROC", "Calibration"} <= figures


def weighed(folder: Path, notes: int, show: bool = True) -> Path:
    """A file of notes whose words were weighed, some of them nasty."""
    words = ["wheeze", ",", "<script>alert(1)</script>", "no", "fever", "(", "&amp;", ")", "&", "."]
    scores = [1.0, 0.01, 0.6, -0.4, -0.8, 0.0, 0.3, 0.0, 0.0, 0.0]
    rows = [(f"n{number}", "Asthma <b>", 0.913, words if show else None, scores) for number in range(notes)]
    file = folder / "attributions.parquet"
    pl.DataFrame(rows, schema=ATTRIBUTIONS, orient="row").write_parquet(file)
    return file


def test_it_says_why_with_words_that_are_escaped(metrics: Path, params: Params) -> None:
    page = render_report(read_facts(metrics), params, weighed=read_attributions(weighed(metrics, NOTES + 3)))
    Page(page)
    assert page.count('class="weighed"') == NOTES and "<script>" not in page
    note = (
        '<span class="for s10">wheeze</span>, <span class="for s6">&lt;script&gt;alert(1)&lt;/script&gt;</span> '
        '<span class="against s4">no</span> <span class="against s8">fever</span> '
        '(<span class="for s3">&amp;amp;</span>) &amp;.'
    )
    assert note in page
    text = " ".join(re.sub("<[^>]+>", " ", page).split())
    assert "For: wheeze (1.00), &lt;script&gt;alert(1)&lt;/script&gt; (0.60), &amp;amp; (0.30)" in text
    assert "Against: fever (-0.80), no (-0.40)" in text
    assert "Asthma &lt;b&gt;, 91 %" in text and "on 24 test notes" in text
    assert "wheeze, a&lt;b&gt;" in text, "the influential words of a label"
    assert "site is &lt;b&gt;North&lt;/b&gt; and words above 120.5 14 20 0.350 0.200 to 0.500 +25.0 (+10.0 to +40.0)" in text
    assert "0.310 0.220 to 0.400" in text and '<a href="#why">' in page
    assert len(page) - len(render_report(read_facts(metrics), params)) < 20_000


def test_words_that_may_not_be_shown_are_not(metrics: Path, params: Params) -> None:
    assert read_attributions(weighed(metrics, 3, show=False)) == read_attributions(metrics / "none.parquet") == []
    page = render_report(read_facts(metrics), params)
    assert 'class="weighed"' not in page and "For whom it is wrong" in page


def test_without_an_explanation_there_is_no_section_of_it(metrics: Path, params: Params) -> None:
    (metrics / "explain.json").unlink()
    for name in ("words", "cohorts"):
        (metrics / "plots" / f"{name}.csv").unlink()
    page = render_report(read_facts(metrics), params)
    assert 'id="why"' not in page and 'href="#why"' not in page


def test_it_says_what_the_model_was_made_from(page: str) -> None:
    text = " ".join(re.sub("<[^>]+>", " ", page.split('id="lineage"')[1].split("</section>", maxsplit=1)[0]).split())
    assert "Source synthetic" in text and "torch 2.13.0" in text
    assert f"SHA-256 of the tokens that it learned from {'a' * 64}" in text and "b" * 64 in text
    assert "SHA-256 of the base weights 53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db" in text
    assert "Revision" not in text, "a package has none"


def test_notes_are_called_synthetic_only_if_they_are(metrics: Path, params: Params) -> None:
    real = params.model_copy(update={"collect": params.collect.model_copy(update={"source": "table"})})
    page = render_report(read_facts(metrics), real)
    assert "Synthetic notes" not in page
    assert "Not a medical device" in page


def test_small_groups_are_not_shown(metrics: Path, page: str) -> None:
    rows = {row["value"]: row for row in subgroup_rows(read_facts(metrics)["evaluate"])["site"]}
    assert rows["Harbour"] == {"value": "Harbour", "small": True}
    assert page.count("fewer than 10 patients") == 2


def test_what_is_absent_is_left_out(metrics: Path, params: Params) -> None:
    facts = read_facts(metrics)
    evaluate = {key: value for key, value in facts["evaluate"].items() if key not in ("ceiling", "baseline")}
    evaluate["test"] = {**evaluate["test"], "subgroups": {}, "per_class": {"asthma": {"notes": 0, "undefined": 5}}}
    page = render_report(Facts({**facts.stages, "evaluate": evaluate}, {}), params)
    Page(page)
    for absent in ("Bayes", "TF-IDF", 'id="figures"', 'id="subgroups"', "nan", "None", "Undefined"):
        assert absent not in page, absent


def test_metrics_of_no_more_than_braces_render(metrics: Path, params: Params) -> None:
    for file in metrics.glob("*.json"):
        file.write_text("{}", encoding="utf-8")
    for file in (metrics / "plots").glob("*.csv"):
        file.unlink()
    Page(render_report(read_facts(metrics), params))


def test_labels_that_look_like_numbers_stay_text(metrics: Path, params: Params) -> None:
    (metrics / "plots" / "confusion.csv").write_text("actual,predicted\n007,007\n7,007\n", encoding="utf-8")
    assert ">007<" in render_report(read_facts(metrics), params)


def test_long_tables_and_hundreds_of_labels_stay_small(metrics: Path, params: Params) -> None:
    evaluate = json.loads((metrics / "evaluate.json").read_text())
    evaluate["test"]["per_class"] = {f"label {i}": {"notes": 3, "f1": 0.5, "f1_low": 0.2, "f1_high": 0.9} for i in range(200)}
    (metrics / "evaluate.json").write_text(json.dumps(evaluate))
    (metrics / "plots" / "loss.csv").write_text("step,loss\n" + "\n".join(f"{i},1" for i in range(1, 50_000)))
    page = render_report(read_facts(metrics), params)
    assert "label 199" in page
    assert len(page) < 500_000
