"""The synthetic source: same seed, same bytes; every count, span and probability is what it says."""

import random
import re
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from dxtune.errors import DataError
from dxtune.params import Collect, load_params
from dxtune.records import QUARANTINE, check
from dxtune.sources.synthetic import SCHEMA, facts, pieces, problem
from dxtune.sources.synthetic_identity import VIN_VALUES, make_patient, make_visits, vin_check_digit
from dxtune.sources.synthetic_knowledge import AFFIRMED, DENIED, KINDS, Knowledge, draw, load_knowledge
from dxtune.sources.synthetic_text import write_note

ROOT = Path(__file__).parents[2]
KNOWLEDGE = ROOT / "src/dxtune/sources/synthetic.yaml"
NOTES = 400
SAFE_HARBOR = {
    *("NAME", "LOCATION", "FACILITY", "DATE", "AGE", "PHONE", "FAX", "EMAIL", "SSN", "MRN", "HEALTH_PLAN", "ACCOUNT"),
    *("LICENSE", "VEHICLE", "DEVICE", "URL", "IP", "BIOMETRIC", "PHOTO", "ID"),
}
# Written down here once more, so that a slip in the table's own `never` lists does not pass.
NAMED = (
    r"pneumoni\w*|copd|obstructive|emphysema\w*|exacerbation\w*|heart failure|chf|hf|cardiomyopath\w*|embol\w*|pe|vte|dvt|"
    r"thromb\w*|pyelo\w*|kidney|urosepsis|nephrolith\w*|urolith\w*|stones?|calcul\w*|renal colic|cholecyst\w*|cholelith\w*|"
    r"gallbladder|gallstones?|biliary|pancrea\w*|appendi\w*|appendec\w*|gastroenter\w*|stomach flu|food poisoning|norovirus"
)


def settings(**changes: object) -> Collect:
    return load_params(ROOT / "params.yaml").collect.model_copy(
        update={"source": "synthetic", "path": str(KNOWLEDGE), "notes": NOTES, "seed": 13, **changes}
    )


def collect(settings: Collect) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, float | int | str]]:
    """All pieces of the source, one after another, and its facts."""
    batches = [piece.read() for piece in pieces(settings, "classification")]
    notes, quarantine = (pl.concat(frames) for frames in zip(*batches, strict=True))
    return notes, quarantine, facts(settings)


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return load_knowledge(KNOWLEDGE)


@pytest.fixture(scope="module")
def collected() -> tuple[pl.DataFrame, pl.DataFrame, dict[str, float | int]]:
    return collect(settings())


@pytest.fixture(scope="module")
def records(collected: tuple[pl.DataFrame, pl.DataFrame, dict[str, float | int]]) -> pl.DataFrame:
    return collected[0]


@pytest.fixture(scope="module")
def latent(knowledge: Knowledge) -> list[tuple[str, str, tuple[float, ...], dict[str, int]]]:
    """3,000 drawn (diagnosis, recorded label, posterior, states), with no text around them."""
    rng, drawn = random.Random(5), []
    for _ in range(3000):
        sex = draw(rng, {key: each.share for key, each in knowledge.sexes.items()})
        band = draw(rng, {key: each.share for key, each in knowledge.age_bands.items()})
        diagnosis = knowledge.draw_diagnosis(rng, sex, band)
        states = knowledge.draw_states(rng, diagnosis)
        drawn.append((diagnosis, knowledge.draw_label(rng, diagnosis), knowledge.posterior(sex, band, states), states))
    return drawn


def test_same_seed_same_tables_another_seed_others(records: pl.DataFrame) -> None:
    again, other = collect(settings())[0], collect(settings(seed=14))[0]
    assert again.equals(records)
    assert not set(other["text"]) & set(records["text"])


def test_more_notes_leave_the_first_ones_as_they_were(records: pl.DataFrame) -> None:
    fewer, quarantined, _ = collect(settings(notes=150))
    assert fewer.height + quarantined.height == 150
    assert fewer.equals(records.head(fewer.height))


def test_rows_in_are_records_and_quarantined(collected: tuple[pl.DataFrame, pl.DataFrame, dict[str, float | int]]) -> None:
    records, quarantine, facts = collected
    assert dict(records.schema) == SCHEMA
    assert check(quarantine, QUARANTINE, "quarantine").columns == list(QUARANTINE)
    assert records.height + quarantine.height == NOTES
    assert quarantine.height == round(0.005 * NOTES)
    assert not set(quarantine["note_id"]) & set(records["note_id"])
    assert records["note_id"].n_unique() == records.height
    assert records["split"].null_count() == records.height
    assert all(isinstance(value, int | float) for value in facts.values())


def test_all_four_broken_kinds_reach_quarantine() -> None:
    _, quarantine, _ = collect(settings(notes=800))
    assert quarantine["reason"].n_unique() == 4
    assert set(quarantine["file"]) == {"synthetic"}


@pytest.mark.parametrize(
    ("text", "label", "reason"),
    [("  ", "a", "empty"), ("\x01\x02\x03\x04PK", "a", "binary"), ("n/a", "a", "shorter"), ("seen", None, "label")],
)
def test_problem_says_what_is_wrong(text: str, label: str | None, reason: str) -> None:
    assert reason in (problem(text, label) or "")


def test_lengths(records: pl.DataFrame) -> None:
    lengths = records["text"].str.len_chars()
    assert lengths.is_between(600, 1600).all()
    assert 700 <= lengths.mean() <= 900


def test_patients_have_one_to_four_dated_notes_and_stay_themselves(records: pl.DataFrame) -> None:
    notes = records.group_by("patient_id").agg(pl.col("note_date").n_unique())["note_date"]
    assert (notes.min(), notes.max()) == (1, 4)
    assert 0.4 <= notes.len() / NOTES <= 0.54
    same = records.group_by("patient_id").agg(pl.col("sex", "age_band", "ethnicity", "site").n_unique())
    assert same.drop("patient_id").max().row(0) == (1, 1, 1, 1)
    assert all(date.fromisoformat(day).isoformat() == day for day in records["note_date"])


def test_spans_are_exact_in_order_and_of_all_kinds(records: pl.DataFrame) -> None:
    shapes = {
        "PHONE": r"(\+1 )?(\(\d{3}\) |\d{3}[-. ])?555[-. ]01\d\d",
        "FAX": r"(\(\d{3}\) |\d{3}-)555-01\d\d",
        "SSN": r"(9\d\d|666)[- ]\d\d[- ]\d{4}",
        "EMAIL": r"[a-z_.\d]+@(mail\.)?example\.org",
        "URL": r"\S*example\.org/\S+",
        "PHOTO": r"\S+\.(jpg|png|JPG)",
        "AGE": r"9\d",
        "IP": r"[\d.]+|2001:db8::\w+:\w+",
        "MRN": r"[\dMR-]+",
        "DATE": r"(?=.*\d)[\w/, -]+",
    }
    seen = set()
    for text, spans in records.select("text", "gold_spans").iter_rows():
        end = 0
        for span in spans:
            assert end <= span["start"] < span["end"] <= len(text)
            value, end = text[span["start"] : span["end"]], span["end"]
            assert value == value.strip()
            assert re.fullmatch(shapes.get(span["type"], r".+"), value), (span["type"], span["start"])
            seen.add(span["type"])
    assert seen == SAFE_HARBOR
    assert 6 <= records["gold_spans"].list.len().mean() <= 14


def test_no_phi_stands_outside_the_spans(knowledge: Knowledge) -> None:
    """Every value made for a patient that a note contains is inside a span."""
    for number in range(40):
        rng = random.Random(number)
        patient = make_patient(knowledge, rng)
        for visit in make_visits(knowledge, patient, rng):
            text, spans = write_note(knowledge, visit, {"fever": AFFIRMED, "lipase": DENIED}, rng)
            outside = _outside(text, spans)
            values = [piece.text for piece in patient.fixed.values() if piece.type]
            values += [
                patient.name.first,
                patient.name.last,
                patient.relative.first,
                visit.clinician.first,
                visit.clinician.last,
            ]
            words = outside.lower()
            assert not [value for value in values if re.search(rf"\b{re.escape(value.lower())}\b", words)]
            assert not re.search(r"555.01|example\.org|@", outside)


def test_vins_have_their_check_digit(knowledge: Knowledge) -> None:
    vins = [make_patient(knowledge, random.Random(number)).fixed["vin"].text for number in range(50)]
    assert len(set(vins)) == 50
    assert all(len(vin) == 17 and set(vin) <= set(VIN_VALUES) and vin[8] == vin_check_digit(vin) for vin in vins)


def test_no_text_names_a_diagnosis(records: pl.DataFrame, knowledge: Knowledge) -> None:
    named = re.compile(rf"\b(?:{NAMED})\b", re.IGNORECASE)
    assert records.filter(pl.Series([bool(named.search(text)) for text in records["text"]]))["note_id"].to_list() == []
    assert knowledge.given_away(records["text"]) == []
    assert all(named.search(label) for label in knowledge.labels)


def test_a_denial_stands_right_before_its_finding(knowledge: Knowledge) -> None:
    findings = {name: each for name, each in knowledge.findings.items() if each.kind == "symptom" and not each.denied}
    rng = random.Random(2)
    calm = knowledge.model_copy(update={"typos": 0.0, "abbreviations": {}})
    for number, (name, finding) in enumerate(findings.items()):
        visit = make_visits(calm, make_patient(calm, random.Random(number)), rng)[0]
        for state in (AFFIRMED, DENIED):
            text = write_note(calm, visit, {name: state}, rng)[0].lower()
            wordings = "|".join(re.escape(each.lower()) for each in finding.affirmed + finding.short)
            assert re.search(wordings, text)
            assert bool(re.search(rf"\b(denies|no|without) ({wordings})", text)) == (state == DENIED)


def test_posterior_by_hand() -> None:
    """Two diagnoses, two findings: fever affirmed, rash denied, as worked out on paper.

    P(flu) = 0.75. Fever: 0.8 * 0.5 = 0.4 against 0.2 * 0.5 = 0.1. Rash denied: 0.9 * 0.1 = 0.09 against 0.5 * 0.1 = 0.05.
    0.75 * 0.4 * 0.09 = 0.027 against 0.25 * 0.1 * 0.05 = 0.00125, so P(flu) = 0.027 / 0.02825.
    """
    toy = _toy()
    posterior = dict(zip(toy.labels, toy.posterior("F", "18-39", {"fever": AFFIRMED, "rash": DENIED}), strict=True))
    assert posterior["flu"] == pytest.approx(0.027 / 0.02825)
    # Nothing mentioned. Fever: 1 - 0.4 - 0.2 * 0.1 = 0.58, 1 - 0.1 - 0.8 * 0.1 = 0.82. Rash: 0.86 and 0.7 likewise.
    silent = dict(zip(toy.labels, toy.posterior("F", "18-39", {}), strict=True))
    assert silent["flu"] == pytest.approx(0.75 * 0.58 * 0.86 / (0.75 * 0.58 * 0.86 + 0.25 * 0.82 * 0.7))
    # Two labels and 2 % noise: the recorded label is flu with 0.9 * 0.98 + 0.1 * 0.02.
    assert toy.observed([0.9, 0.1]) == pytest.approx([0.884, 0.116])


def test_posterior_by_hand_where_some_notes_are_early() -> None:
    """Half the notes are early, and then every finding is as rare as elsewhere: 0.1.

    Early, fever is affirmed with 0.1 * 0.5 = 0.05 and rash denied with 0.9 * 0.1 = 0.09 by either diagnosis: 0.0045.
    Flu: 0.75 * (0.4 * 0.09 + 0.0045) / 2 = 0.0151875. Measles: 0.25 * (0.1 * 0.05 + 0.0045) / 2 = 0.0011875.
    """
    toy = _toy(early=0.5, early_strength=0.0)
    posterior = dict(zip(toy.labels, toy.posterior("F", "18-39", {"fever": AFFIRMED, "rash": DENIED}), strict=True))
    assert posterior["flu"] == pytest.approx(0.0151875 / 0.016375)


def _toy(**changes: float) -> Knowledge:
    known = load_knowledge(KNOWLEDGE).model_dump()
    finding = {"kind": "symptom", "otherwise": 0.1, "affirmed": ["x"], "short": ["x"]}
    known |= {"early": 0.0, "written": 0.5, "denied": 0.1} | changes | {"findings": {"fever": finding, "rash": finding}}
    known["diagnoses"] = {
        "flu": {"prior": 3, "findings": {"fever": 0.8}, "never": ["flu"]},
        "measles": {"prior": 1, "findings": {"fever": 0.2, "rash": 0.5}, "never": ["measles"]},
    }
    known["filler"] = [line for line in known["filler"] if "Flu" not in line]
    return Knowledge.model_validate(known)


def test_posteriors_sum_to_one_and_are_calibrated(
    records: pl.DataFrame, knowledge: Knowledge, latent: list[tuple[str, str, tuple[float, ...], dict[str, int]]]
) -> None:
    assert all(sum(each) == pytest.approx(1) and len(each) == len(knowledge.labels) for each in records["posterior"])
    for index, label in enumerate(knowledge.labels):
        said = sum(posterior[index] for _, _, posterior, _ in latent) / len(latent)
        true = sum(diagnosis == label for diagnosis, *_ in latent) / len(latent)
        assert said == pytest.approx(true, abs=0.015)


def test_the_ceiling_is_where_it_should_be(
    knowledge: Knowledge,
    latent: list[tuple[str, str, tuple[float, ...], dict[str, int]]],
    collected: tuple[pl.DataFrame, pl.DataFrame, dict[str, float | int]],
) -> None:
    observed = [(label, knowledge.observed(posterior)) for _, label, posterior, _ in latent]
    expected = sum(max(posterior) for _, posterior in observed) / len(observed)
    realised = sum(knowledge.labels[posterior.index(max(posterior))] == label for label, posterior in observed) / len(observed)
    assert 0.86 <= expected <= 0.91
    assert realised == pytest.approx(expected, abs=0.025)
    facts = collected[2]
    assert 0.86 <= facts["bayes_expected_accuracy"] <= 0.91
    assert facts["bayes_accuracy"] == pytest.approx(facts["bayes_expected_accuracy"], abs=0.05)


def test_notes_mention_enough_and_labels_are_noisy(
    latent: list[tuple[str, str, tuple[float, ...], dict[str, int]]],
) -> None:
    assert 5 <= sum(list(states.values()).count(AFFIRMED) for *_, states in latent) / len(latent) <= 9
    assert 2 <= sum(list(states.values()).count(DENIED) for *_, states in latent) / len(latent) <= 6
    assert sum(diagnosis != label for diagnosis, label, *_ in latent) / len(latent) == pytest.approx(0.02, abs=0.01)


def test_duplicates(collected: tuple[pl.DataFrame, pl.DataFrame, dict[str, float | int]]) -> None:
    records, _, facts = collected
    copies = records.group_by("text").agg(pl.len(), pl.col("patient_id").n_unique(), pl.col("note_id").n_unique())
    assert (copies["len"] - 1).sum() == facts["exact_duplicates"] == 0.01 * NOTES
    assert copies["patient_id"].max() == 1
    assert (copies["note_id"] == copies["len"]).all()
    assert facts["near_duplicates"] == 0.01 * NOTES
    near = records.unique("text").group_by("patient_id", "note_date").len().filter(pl.col("len") > 1)
    assert near["len"].sum() - near.height == facts["near_duplicates"]


def test_subgroups_are_uneven_and_one_site_writes_differently(records: pl.DataFrame) -> None:
    for column, groups in {"sex": 2, "age_band": 4, "ethnicity": 5, "site": 4}.items():
        shares = records[column].value_counts(normalize=True)["proportion"]
        assert shares.len() == groups
        assert shares.max() > 1.1 / groups
    for site, text, spans in records.select("site", "text", "gold_spans").iter_rows():
        assert _outside(text, spans).islower() == (site == "harbor")


def _outside(text: str, spans: list[dict[str, int]]) -> str:
    """The text with a bar for each span."""
    cuts = [0, *(edge for span in spans for edge in (span["start"], span["end"])), len(text)]
    return "|".join(text[start:end] for start, end in zip(cuts[::2], cuts[1::2], strict=True))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{dyspnea: 0.88,", "{dyspnoea: 0.88,", r"diagnoses\.pneumonia\.findings: unknown \['dyspnoea'\]"),
        ("prior: 1.2", "prior: -1", r"diagnoses\.pneumonia\.prior"),
        ("productive cough", "cough of COPD", "gives a diagnosis away"),
        ("WBC normal {5.2..9.3}", "WBC normal {5.2..14.3}", r"high_white_count.*overlap"),
        ("label_noise: 0.02", "label_noize: 0.02", "label_noi"),
        ("label_noise: 0.02", "label_noise: [", "is not YAML"),
    ],
)
def test_a_wrong_table_is_a_clear_error(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "synthetic.yaml"
    text = KNOWLEDGE.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=said):
        collect(settings(path=str(path)))


def test_a_missing_table_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"collect\.path"):
        collect(settings(path=str(tmp_path / "none.yaml")))


def test_every_layout_writes_a_note(knowledge: Knowledge) -> None:
    """Each layout has room for every kind of finding and for filler, and works at both ends of the number of findings."""
    rng = random.Random(3)
    visit = make_visits(knowledge, make_patient(knowledge, rng), rng)[0]
    for name, layout in knowledge.layouts.items():
        assert all(f"{{{slot}}}" in layout.text for slot in (*KINDS, "filler")), name
        only = knowledge.model_copy(
            update={
                "layouts": {name: layout},
                "sites": {key: site.model_copy(update={"layouts": ()}) for key, site in knowledge.sites.items()},
            }
        )
        for states in ({}, dict.fromkeys(list(knowledge.findings)[::3], AFFIRMED)):
            text, spans = write_note(only, visit, states, rng)
            assert 600 <= len(text) <= 1600
            assert spans
            assert "{" not in text
