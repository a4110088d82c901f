"""Write the model card, the data card and one self-contained HTML report: `dxtune report`."""

from dxtune.comparing.page import read_section
from dxtune.files import write_text
from dxtune.params import Params
from dxtune.paths import Paths
from dxtune.reporting.cards import render_data_card, render_model_card
from dxtune.reporting.facts import read_facts
from dxtune.reporting.report import make_report


def run(params: Params, paths: Paths) -> None:
    """Writes model_card.md, data_card.md and report.html into reports/, from the metrics; answers from the predictions."""
    facts = read_facts(paths.metrics)
    write_text(render_model_card(facts, params), paths.reports / "model_card.md")
    write_text(render_data_card(facts, params), paths.reports / "data_card.md")
    report = make_report(params, paths, read_section(paths.previous))
    write_text(report, paths.reports / "report.html")
