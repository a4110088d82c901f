"""Write the model card, the data card and one self-contained HTML report: `dxtune report`."""

from dxtune.files import write_text
from dxtune.params import Params
from dxtune.paths import Paths
from dxtune.reporting.cards import render_data_card, render_model_card
from dxtune.reporting.facts import read_facts, read_samples
from dxtune.reporting.report import render_report
from dxtune.reporting.why import read_attributions


def run(params: Params, paths: Paths) -> None:
    """Writes model_card.md, data_card.md and report.html into reports/, from the metrics; answers from the predictions."""
    facts = read_facts(paths.metrics)
    write_text(render_model_card(facts, params), paths.reports / "model_card.md")
    write_text(render_data_card(facts, params), paths.reports / "data_card.md")
    report = render_report(facts, params, read_samples(paths.predictions), read_attributions(paths.attributions))
    write_text(report, paths.reports / "report.html")
