"""Words that are names as often as not: what stands around them decides."""

import pytest

from dxtune.deid import Deidentifier

ENGINE = Deidentifier(b"a key for the tests")
KEPT = [
    "She may return to work.",
    "Patient may be discharged. May be repeated in 2 days.",
    "S: feels well\nO: afebrile\nA: stable\nP: home",
    "A: Cough. P: Rest.",
    "40 yo F with chest pain",
    "An 80/F with falls",
    "64 M, smoker",
    "52 year old M",
    "I feel well. A drain was placed.",
    "pO2 of 80, CD4 of 412.",
    "Doctor: Any chest pain?\nPatient: No, I do not.\nDoctor: Do you smoke?\nPatient: Oh, I quit.\nDoctor: Good.",
    "Doctor: Hello there.\nPatient_family: Yeah, hello.\nDoctor: Did she fall?\nPatient_family: No. Never.",
    "Guest_family: Hello.\nDoctor: Great. So, any fever?\nGuest_family: None. Oh, he had a C T scan.\nDoctor: Yes. Fine.",
    "Doctor: Any I V drugs?\nPatient: No. I have mild G V H D.\nDoctor: And the four hundred M G?\nPatient: After P T.",
    "His dad died from prostate cancer. Frequent physical therapy, no recreational drugs.",
    "So, I am looking at your x ray here.",
    "Patient: Don't worry.",
]
MASKED = [
    ("Seen in May.", "Seen in [DATE]"),
    ("Due May 4.", "Due [DATE]."),
    ("Last seen May 2018.", "Last seen [DATE-2018]."),
    ("Mr. May may go.", "Mr. [NAME] may go."),
    ("Seen by Dr. May today.", "Seen by Dr. [NAME] today."),
    ("Brother is M. Brandvold.", "Brother is [NAME]."),
    (  # turns of speakers, but names; the field of a form, which is no turn
        "Doctor: Your last name?\nPatient: Brandvold.\nDoctor: And the first?\nPatient: Will.\nDoctor: Thank you.",
        "Doctor: Your last name?\nPatient: [NAME].\nDoctor: And the first?\nPatient: [NAME].\nDoctor: Thank you.",
    ),
    (  # lists of one field, or of two in turns, that hold names
        "Patient: Good, Robert\nPatient: Do, Maria\nPatient: So, David",
        "Patient: [NAME], [NAME]\nPatient: [NAME], [NAME]\nPatient: [NAME], [NAME]",
    ),
    (
        "Patient: Good, Robert\nNurse: Do, Maria\nPatient: So, David",
        "Patient: [NAME], [NAME]\nNurse: [NAME], [NAME]\nPatient: [NAME], [NAME]",
    ),
    ("Patient: No, Minh\nMRN: 4471882\nRoom: 4\nPlan: home", "Patient: [NAME], [NAME]\nMRN: [MRN]\nRoom: 4\nPlan: home"),
    (  # initials in a talk, and letters elsewhere
        "Doctor: Who sent you?\nPatient: Mr. P T did.\nDoctor: Is Miss C T here?\nPatient: C T Smith is.",
        "Doctor: Who sent you?\nPatient: Mr. [NAME] did.\nDoctor: Is Miss [NAME] here?\nPatient: [NAME] is.",
    ),
    ("Seen by Dr. C T Smith. Signed: C T", "Seen by Dr. [NAME]. Signed: [NAME]"),
    (  # a speaker called by a surname, and a surname behind its title or initial that is a common word, too
        "Baker_family: Hi.\nDoctor: Hi. Is Dr. Good in?\nBaker_family: No. J. Good is.\nDoctor: I see.",
        "[NAME]_family: Hi.\nDoctor: Hi. Is Dr. [NAME] in?\n[NAME]_family: No. [NAME] is.\nDoctor: I see.",
    ),
    ("Ask Don.", "Ask [NAME]."),
    ("pt of bone and joint surgery center", "pt of [NAME] [FACILITY]"),
    ("seen at oak grove cancer center, works at mercy health", "seen at [FACILITY], works at [FACILITY]"),
    ("Mr. Foley has a Foley catheter.", "Mr. [NAME] has a Foley catheter."),
]


@pytest.mark.parametrize("case", range(len(KEPT)))
def test_the_word_is_kept(case: int) -> None:
    assert ENGINE.deidentify([KEPT[case]]) == [KEPT[case]]


@pytest.mark.parametrize("case", range(len(MASKED)))
def test_the_word_is_masked(case: int) -> None:
    text, clean = MASKED[case]
    assert ENGINE.deidentify([text]) == [clean]
