"""What a run of letters, digits and marks is, by its form alone: an identifier, or a measurement that is kept."""

import re

from dxtune.deid.patterns import ANY_DIGITS, EITHER, KEEP, LENGTH, codes

LABELS = {"MRN", "HEALTH_PLAN", "ACCOUNT", "LICENSE", "DEVICE", "BIOMETRIC", "PHOTO", "ID"}
_RUNS = re.compile(f"[{ANY_DIGITS}]")


def judge(kind: str, classes: str) -> str:  # noqa: PLR0911
    """The kind of an identifier, or KEEP where the form of the value says that it is a measurement."""
    digits = [LENGTH[code] for code in _RUNS.findall(classes)]
    if kind == "COMPOUND":
        return _judge_compound(classes, digits)
    if kind == "PHOTO" and any(code in codes()[1]["file"] for code in classes):
        return kind
    if kind in LABELS:
        if len(classes) == 1 and classes in "Yy":
            return KEEP
        by_form = _judge_compound(classes, digits) if digits else KEEP
        if by_form == "DATE":
            return by_form
        if kind == "ID" and classes.count("-") > 1:
            return kind
        least = 4 if kind in {"DEVICE", "ID", "PHOTO", "ACCOUNT", "HEALTH_PLAN"} else 3
        if sum(digits) < least:
            return EITHER if by_form == EITHER else KEEP
        short = sum(digits) < 5 and len(digits) > 1 and kind in {"DEVICE", "ID", "PHOTO", "HEALTH_PLAN"}
        return KEEP if short and by_form in (KEEP, EITHER) else kind
    return kind


def _judge_compound(classes: str, digits: list[int]) -> str:  # noqa: PLR0911, PLR0912 (a list of forms)
    """ID, or another kind, for a run of letters, digits and marks that no pattern explained; KEEP for clinical forms."""
    sets = codes()[1]
    body = classes.lstrip("# ")
    total, longest = sum(digits), max(digits, default=0)
    marks = [code for code in body if code in "-./,:+_*#"]
    words = [code for code in body if code in sets["word"]]
    if classes.startswith("#"):
        return "ID" if total >= 4 else KEEP
    if not words and not marks:
        return "ID" if total >= 5 else KEEP
    if not words:
        if set(marks) == {"/"} and len(marks) == 1:
            month_day = body[0] in sets["d"] and body[-1] in sets["d"] and (body[0] in sets["m"] or body[-1] in sets["m"])
            ratio = body[0] in sets["n1"] and body[-1] in sets["n1"] + "q"
            return (EITHER if ratio else "DATE") if month_day else KEEP if longest <= 4 else "ID"
        triple = len(marks) == 2 and set(marks) in ({"/"}, {"-"}, {"."})
        if triple and body[0] in sets["d"] and body[2:3] in sets["d"] and body[-1] in sets["yy"] + sets["yyyy"]:
            return "DATE"
        if set(marks) <= {":", ".", ","}:
            return KEEP if longest <= 4 and len(marks) <= 2 else "ID"
        if "-" in marks and len(marks) == 1:
            return KEEP if longest <= 3 or all(code in sets["yyyy"] for code in body if code != "-") else "ID"
        if set(marks) == {"/"}:
            return KEEP if longest <= 3 and len(marks) <= 3 else "ID"
        return KEEP if longest == 1 or (total <= 5 and longest <= 3 and marks.count("-") < 2) else "ID"
    glued = [part for part in re.split(r"[-./,:+_*#]", body) if part]
    if "_" in marks:
        return "ID" if total >= 2 else KEEP
    if total >= 5 and sum(bool(_RUNS.search(part)) and not _RUNS.fullmatch(part) for part in glued) >= 3:
        return "ID"  # 1EG4-TE5-MK73; not L4-L5-S1
    for part in glued:
        kind = _judge_chunk(part)
        if kind != KEEP:
            return kind
    if total >= 6 or (len(digits) > 1 and longest >= 4 and not all(code in sets["yyyy"] for code in _RUNS.findall(body))):
        return "ID"
    if len(glued) > 1 and longest >= 4 and words and not any(code in sets["yyyy"] for code in _RUNS.findall(body)):
        return "ID"
    return KEEP


def _judge_chunk(chunk: str) -> str:  # noqa: PLR0911
    """ID or KEEP for letters and digits without a mark between."""
    sets = codes()[1]
    digits = [LENGTH[code] for code in _RUNS.findall(chunk)]
    if not digits:
        return KEEP
    total, longest = sum(digits), max(digits)
    runs = re.findall(f"[{ANY_DIGITS}]|[^{ANY_DIGITS}]+", chunk)
    if len(runs) == 1:
        return "ID" if total >= 5 else KEEP
    if len(runs) == 2:
        if (
            runs[1] in sets["unit"]
            or runs[1] in sets["suffix"]
            or runs[1] in sets["year"]
            or runs[0] in sets["yyyy"]
            or runs[1] in sets["yyyy"]
        ):
            return KEEP
        return "ID" if longest >= 4 or (longest == 3 and runs[0] in ANY_DIGITS) else KEEP
    if all(run in sets["tnm"] or run in sets["num"] for run in runs) and total <= 4:
        return KEEP
    if runs[-1] in sets["unit"] and longest <= 4 and len(runs) == 3:
        return KEEP
    return "ID" if total >= 4 or len(runs) >= 5 else KEEP
