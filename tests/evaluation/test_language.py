"""Another language is found in one sentence, with accents or without; clinical English is none, however terse."""

import re
import unicodedata

import numpy as np
import pytest
from py3langid import rank

from dxtune.evaluation.language import _model, _scores, foreign, languages
from tests.conftest import ROOT

ENGLISH = [
    "Pt c/o SOB x3d, +CP, -N/V. PMH HTN DM2 CAD s/p CABG. Lungs CTAB. CXR neg. Plan: d/c home, f/u PCP 1wk.",
    "67M w/ hx HTN, HLD, DM p/w CP radiating to L arm x 2h. EKG: ST dep V4-V6. Trop 0.12. ASA, hep gtt, cards consult.",
    "BP 142/88 HR 96 RR 20 T 37.2 SpO2 94% RA. HEENT: PERRL, MMM. CV: RRR no m/r/g. Abd: s/nt/nd. Ext: no c/c/e.",
    "A/P: 1. CHF - lasix 40 IV BID, strict I/Os, daily wts. 2. AKI - hold ACEi. 3. DM - SSI. 4. DVT ppx - SQH.",
    "Meds: metoprolol 25 mg po bid, lisinopril 10 mg po qd, atorvastatin 40 mg po qhs, metformin 1000 mg po bid. NKDA.",
    "1. Diabetes mellitus. 2. Neuropathy. 3. Status post cerebrovascular accident.",
    "no cp no sob no f/c/n/v ros o/w neg",
    "Cough, congestion, rhinorrhea.",
    "[NAME] seen [DATE-2019] at [HOSPITAL] by Dr. [NAME], MRN [ID]",
    "",
]
OTHERS = {
    "es": "Dolor abdominal en fosa iliaca derecha, náuseas y vómitos desde ayer.",
    "de": "Schmerzen im rechten Unterbauch, Übelkeit und Erbrechen seit gestern.",
    "fr": "Douleur de la fosse iliaque droite, nausées et vomissements depuis hier.",
    "it": "Dolore in fossa iliaca destra, nausea e vomito da ieri.",
    "pt": "Dor abdominal na fossa ilíaca direita, náuseas e vómitos desde ontem.",
    "nl": "Pijn rechts onder in de buik, misselijk en gebraakt sinds gisteren.",
    "sv": "Feber 39 grader, produktiv hosta och andnöd sedan tre dagar.",
    "ru": "Боль в правой подвздошной области, тошнота и рвота со вчерашнего дня.",
    "zh": "患者男性，67岁，因胸痛两小时入院，疼痛放射至左臂。",
}
NOTE = "The patient reports fever and a cough since Monday, and was given amoxicillin by her physician."


@pytest.mark.parametrize("change", [str, str.lower, str.upper], ids=["as written", "small letters", "capitals"])
def test_terse_clinical_english_is_no_other_language(change: type) -> None:
    assert foreign([change(text) for text in ENGLISH], ["en"]).tolist() == [0.0] * len(ENGLISH)


@pytest.mark.parametrize("language", OTHERS)
def test_a_sentence_of_another_language_is_one(language: str) -> None:
    text = OTHERS[language]
    plain = "".join(each for each in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(each))
    assert foreign([text, plain], ["en"]).min() > 0, "with accents, and as a tokenizer without them reads it"
    assert foreign([text], ["en", language]).tolist() == [0], "training had it"
    assert foreign([NOTE], [language])[0] > 0, "what is foreign depends on training alone"


def test_scores_are_those_of_py3langid() -> None:
    texts = [*ENGLISH[:8], *OTHERS.values(), NOTE * 30, "A LOUD NOTE", "e\u0301tat", "\ud800", "7"]
    names = np.array(_model().names)
    assert len(set(names)) > 130
    for text, own in zip(texts, _scores(texts), strict=True):
        theirs = dict(rank(text))
        made = {name: own[names == name].max() for name in set(names)}
        if max(theirs.values()) < -1e30:
            assert set(made.values()) == {0}, "nothing that it knows"
        else:
            assert made == pytest.approx({name: theirs[name] for name in made}, abs=0.05)


def test_languages_are_those_of_a_tenth_of_the_notes() -> None:
    assert languages([NOTE] * 18 + [OTHERS["de"]] * 2) == ["de", "en"]
    assert languages([NOTE] * 19 + [OTHERS["de"]]) == ["en"]
    assert languages(ENGLISH[:8] * 2 + [NOTE] * 40) == ["en"], "shorthand is named after many, each seldom"
    assert languages([*OTHERS.values(), *OTHERS.values(), NOTE, NOTE, NOTE]) == ["en"], "at least the commonest"


def test_of_thousands_of_lines_those_called_foreign_are() -> None:
    files = sorted((ROOT / "src/dxtune/deid_training/families").glob("*.txt"))
    lines = [line.strip() for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    texts = [re.sub(r"\{[^}]*\}", "[NAME]", line) for line in lines if len(line) > 40 and not line.startswith("#")]
    found = [text for text, nats in zip(texts, foreign(texts, ["en"]), strict=True) if nats > 0]
    assert len(texts) > 4000
    english = [text for text in found if text.isascii() and not re.search(r"\b(Sie|El|La|een|van|de|il|ne)\b", text)]
    assert 5 < len(found) < 20 and len(english) <= 1, english
