"""What a word is evidence of: safe words and doubtful ones, read from safe_words.txt; medical endings; context words."""

# ruff: noqa: E501, SIM905 (tables: a line a family)
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent

SAFE, DOUBTFUL, UNKNOWN = 0, 1, 2
# Endings that medicine uses and names hardly ever do; only for words of seven letters and more.
ENDINGS = (
    "itis", "osis", "oses", "emia", "emic", "uria", "pathy", "pathic", "ectomy", "otomy", "ostomy", "plasty", "scopy", "scopic", "graphy",
    "graphic", "ology", "ologist", "ological", "ologic", "algia", "plegia", "paresis", "penia", "phagia", "phasia", "megaly", "cyte",
    "cytes", "cytosis", "genic", "genesis", "oma", "omas", "omatous", "prazole", "statin", "sartan", "pril", "olol", "dipine", "mycin",
    "micin", "cillin", "floxacin", "cycline", "azole", "tidine", "triptan", "setron", "mab", "tinib", "parin", "xaban", "gliptin",
    "gliflozin", "glutide", "zepam", "zolam", "barbital", "caine", "pramine", "oxetine", "azepine", "sone", "solone", "terol", "phylline",
    "thiazide", "semide", "vir", "vudine", "ciclovir", "platin", "taxel", "rubicin", "ectasis", "ectasia", "rrhea", "rrhagia", "trophy",
    "trophic", "ular", "eal", "ation", "ations", "tion", "tions", "ment", "ness", "ically", "ously", "ively", "ingly", "ated", "ating",
    "ized", "izing", "ization", "ility", "ivity", "tive", "ious", "therapy", "gram", "grams", "toxicity", "oxic", "philia", "phobia",
)  # fmt: skip
EPONYM_HEADS = frozenset(
    "disease diseases syndrome syndromes sign signs test tests maneuver manoeuvre criteria criterion score scale index stage staging grade "
    "classification catheter catheters tube drain bag esophagus oesophagus lymphoma carcinoma sarcoma tumor tumour fracture fractures "
    "contracture palsy paralysis thyroiditis encephalopathy phenomenon reflex point triad law node nodes nodule cell cells body bodies "
    "space pouch ligament duct gland canal procedure operation repair bypass fundoplication monitor stain agar solution ringer lesion "
    "lines line hernia ulcer disorder dementia chorea ataxia dystrophy atrophy anomaly malformation tetralogy position forceps clamp "
    "retractor stent filter valve graft lobectomy gastrectomy esophagectomy colectomy pancreatoduodenectomy disorder nevus purpura "
    "nephritis arteritis granulomatosis cardiomyopathy apnea respirations breathing pulse murmur formula equation method technique "
    "protocol regimen trial study splint collar boot bandage rule rules tear deformity cyst abscess neuroma nodosa exam examination "
    "angina aphasia area equine osteotomy arthroplasty fusion block questionnaire inventory scoring coma depression toe view palsies".split()
)
GENERIC_PLACES = frozenset(
    "the this that our your a an of at in to from and or for on by with emergency outpatient inpatient medical general community "
    "local outside other same day prior previous current tertiary acute care primary urgent home health mental behavioral public "
    "teaching children's childrens women's surgical pain sleep memory wound heart cancer diabetes stroke trauma burn dialysis infusion "
    "rehab rehabilitation nursing skilled long term assisted living medicine family internal walk-in free specialty follow-up follow "
    "up hospital clinic center university state county city regional national academic private nearest another each every his her their "
    "pre post per data call level course transferred admitted referring large small rural high middle elementary grade graduate "
    "preschool poison control fitness community-based retirement group adult pediatric veterans night fertility travel eye vision "
    "dental anticoagulation coumadin blood birth surgery".split()
)
MONTHS_AND_DAYS = frozenset(
    "january february march april may june july august september october november december monday tuesday wednesday thursday friday "
    "saturday sunday".split()
)


CONTRACTIONS = frozenset("can't won't shan't ain't let's y'all ma'am o'clock gov't dep't int'l".split())
CONTRACTED_ENDS = ("'m", "'ve", "'ll", "'d", "'re", "'s", "n't")
CONTRACTED = frozenset(
    "i you he she it we they who what that this there here how where when why do does did is are was were have has had could would "
    "should must need might ought everyone everything someone something nothing nobody one".split()
)


def read_words(path: Path) -> list[str]:
    """The words of a list, in its order: separated by white space, `#` starts a comment."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [word for line in lines for word in line.split("#")[0].split()]


@cache
def safe_words() -> dict[str, bool]:
    """Every safe word, lower case, and whether it is a name as well."""
    lines = (HERE / "safe_words.txt").read_text(encoding="utf-8").splitlines()
    return {line.removesuffix(" ?"): line.endswith(" ?") for line in lines if not line.startswith("#")}


@cache
def clinical_words() -> frozenset[str]:
    """The words of clinical language alone: evidence that a phrase is medicine and not a place."""
    return frozenset(read_words(HERE / "words/clinical.txt"))


@cache
def name_words() -> frozenset[str]:
    """Common words that are given names, surnames or places as well."""
    return frozenset(read_words(HERE / "words/names.txt"))


@cache
def verdict(word: str) -> int:
    """SAFE, DOUBTFUL (a word and a name) or UNKNOWN, whatever the case of the word.

    >>> verdict("Auscultation"), verdict("Rose"), verdict("Zbigniew"), verdict("Pancreatoduodenectomy")
    (0, 1, 2, 0)
    >>> [verdict(word) for word in ("I've", "Don't", "They’ll", "Can't", "D'Souza")]
    [0, 0, 0, 0, 2]
    """
    word = word.lower().replace("’", "'")
    known = safe_words()
    if word in CONTRACTIONS or any(word.endswith(end) and word.removesuffix(end) in CONTRACTED for end in CONTRACTED_ENDS):
        return SAFE
    for form in (word, word.removesuffix("'s"), word.removesuffix("s")):
        if form in known:
            return DOUBTFUL if known[form] else SAFE
    if len(word) >= 7 and word.isascii() and word.endswith(ENDINGS):
        return SAFE
    return UNKNOWN
