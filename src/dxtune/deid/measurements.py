"""Evidence to keep: what stands before or after a number that looks like an identifier says that it is a measurement."""

# ruff: noqa: E501 (tables: a line a family)
import re

_DATE_CUE = re.compile(
    r"\b(?:on|since|from|until|till?|by|through|thru|dated?|of|for|dob|born|seen|visit|admit\w*|discharge\w*|performed|implanted|received|done|drawn"
    r"|signed|dictated|d|t|as of|between|and|to|due|last|next|taken|obtained|collected|started|stopped|given|placed|before|after)[\s:.,(]{0,3}$",
    re.IGNORECASE,
)
_RATIO_BEFORE = re.compile(
    r"\b(?:strength|motor|power|pain|score[ds]?|scale|rated?|rating|grade[d]?|murmur|gcs|apgars?|bp|pressure|vision|acuity|reflex(?:es)?|pulses?|dtrs?"
    r"|ratio|age|severity|stage|nyha|level|mallampati|muscle|sem|hsm|stool|spicy|fundus|about|out|sensation|tone|intensity|x|apgar)\b[\w\s,:'()=/-]{0,16}$",
    re.IGNORECASE,
)
_RATIO_AFTER = re.compile(
    r"^\s?-?(?:strength|murmur|systolic|diastolic|holosystolic|crescendo|sem|hsm|pain|tab|tablet|pill|cup|teaspoon|tsp|inch|pack|ppd|mile|hour|day|week|normal"
    r"|ns\b|muscle|motor|power|throughout|bilat|in\s(?:the|all|both|b)|on\s(?:the|exam)|scale|severity|intensity|positive|negative|neg\b|pos\b|of|dose|mg|mcg|ml|lymph|nodes|cores"
    r"|reflex|dtr|pulse|radial|dorsal|dp|pt\b|points?|criteria|sirs|[,;]?\s?(?:symmetric|equal|bilateral))",
    re.IGNORECASE,
)
_UNIT_AFTER = re.compile(
    r"^ ?(?:units?|iu|u|mg|mcg|g|gm|kg|lbs?|ml|cc|l|mm|cm|k|cells?|copies|cfu|platelets?|/ ?(?:u?l|mcl|mm|hpf|ml|hr|day|kg|min)|per|%|mmol|meq|ng|pg|steps|bpm|hz|miu|mu|kcal|calories|x)\b|^ ?%",
    re.IGNORECASE,
)
_COUNT_BEFORE = re.compile(
    r"\b(?:platelets?|plts?|wbc|rbc|count|cfu|copies|load|units?|titer|bnp|ferritin|ck)\s?(?:count|of|is|was|:|>|<|=)?\s?$",
    re.IGNORECASE,
)
_DOSE = re.compile(
    r"[\d,.-]{1,7}(?:mg|mcg|ug|g|gm|kg|ml|cc|l|iu|u|units?|meq|mmol|k|kcal|mm|cm|hz|hr|min|sec|bpm|kv|gy|cgy|yo|mci|mhz|ppm)",
    re.IGNORECASE,
)
_MARKER = re.compile(
    r"CA ?-?\d+(?:-\d)?|CD\d+[A-Z]?|HLA.*|CYP\w+|HSV\d|NDC|ICD\d+|[A-TV-Z]\d{2}(?:\.\d{1,4})?|[A-Z]\d{3}[A-Z]|COVID-?19|PM\d+|BRCA\d|FOLFOX\d?|[cpy]?T[0-4X].?N[0-3X].?M?[01X]?"
)
_YEAR = re.compile(r"(?:19|20)\d\d")
_LABELLED = {"MRN", "ACCOUNT", "LICENSE", "HEALTH_PLAN", "DEVICE", "ID", "VEHICLE", "PHOTO", "BIOMETRIC"}


def is_measurement(kind: str, text: str, start: int, end: int) -> bool:  # noqa: PLR0911 (a list of exceptions)
    """Whether the surroundings explain a candidate: a ratio, a dose, a marker, a version, a mere year.

    >>> is_measurement("DATE", "strength 5/5", 9, 12), is_measurement("DATE", "seen 3/4", 5, 8)
    (True, False)
    """
    value, before, after = text[start:end], text[max(0, start - 32) : start], text[end : end + 16]
    if kind == "DATE":
        return value in {"may", "march", "mar", "dec", "sep"} or _is_ratio(value, before, after)
    if kind == "IP":
        octets = value.split("/")[0].split(":")[0].split(".")
        return len(octets) == 4 and any(int(octet) > 255 for octet in octets)
    if kind == "VEHICLE" and len(value) == 17 and (value.isdigit() or value.isalpha()):
        return True
    if kind in _LABELLED and (_YEAR.fullmatch(value) or _MARKER.fullmatch(value) or _DOSE.fullmatch(value)):
        return True
    if kind in {"ID", "PHONE", "DEVICE", "LICENSE", "ACCOUNT"} and len(value) < 8 and _UNIT_AFTER.search(after):
        return True
    if kind == "ID" and (re.fullmatch(r"\d{2,4}-\d{2,4}", value) or (len(value) < 8 and _COUNT_BEFORE.search(before))):
        return True
    return kind in _LABELLED and sum(map(str.isdigit, value)) < 3 and kind != "VEHICLE"


def _is_ratio(value: str, before: str, after: str) -> bool:
    """Whether "3/4" is no date but a score, a strength, a grade, a dose."""
    left, slash, right = value.partition("/")
    if not slash or not (left.isdigit() and right.isdigit()) or len(right) > 2:
        return False
    if before[-1:] in {"/", ".", "+"} or (after[:1] in {"/", "+", "%"} and after[1:2].isdigit()):
        return True
    if _RATIO_AFTER.search(after):
        return True
    if _DATE_CUE.search(before):
        return False
    return bool(_RATIO_BEFORE.search(before)) or (right in {"10", "5", "6"} and len(left) == 1)
