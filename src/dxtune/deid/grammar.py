"""The grammar of identifiers and of clinical numbers: RE2 patterns over a string with one character a token.

A note of 2,400 characters becomes some 900 classes of tokens ("a month", "two digits up to 12", "a unit", a mark as it is), so
the patterns are short, see no values, and are linear in time whatever the note. Whatever holds a digit and is no plain short
number is matched by something: by an identifier, by a measurement that explains it, or by the pattern COMPOUND, whose
judge masks what it cannot explain. 45 CFR 164.514(b)(2)(i)(B)-(R).

Where a sentence may wrap inside an identifier, `_over_lines` lets it. In a pattern `<name>` is a token of a group of vocabulary.py or of a set of `_codes`, `~` an optional space, `_` a space, and blanks mean nothing.
"""

# ruff: noqa: E501 (tables: a line a pattern)
import re
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import re2

from dxtune.deid.tokens import DIGITS, EDGE, LETTERS, Bytes, Ints, Tokens
from dxtune.deid.vocabulary import GROUPS, SOFT

KEEP = "KEEP"
EITHER = "EITHER"
"""A month and a day, or a part of up to ten, such as 3/10: the scorer decides by what stands around it."""
POSTCODE = "POSTCODE"
"""A postcode, if its letters are capitals: see the engine."""
EITHER_CLASS = ord("~")
"""The class of such a token: no pattern holds it."""
# The classes of digits: what they can be, and their length.
_DIGITS = {
    "O": ("00", 2), "z": ("0", 1), "i": ("1-4, 7-9", 1), "j": ("5, 6", 1), "p": ("01-09", 2), "q": ("10", 2), "m": ("11, 12", 2), "d": ("13-31", 2), "k": ("32-89", 2), "n": ("90-99", 2),
    "h": ("100-130", 3), "o": ("the first is 0", 3), "t": ("other", 3), "Y": ("1900-1939", 4), "y": ("1940-2099", 4), "r": ("the first is 0", 4), "f": ("other", 4), "v": ("", 5), "s": ("", 6),
    "S": ("", 7), "E": ("a date", 8), "e": ("other", 8), "N": ("", 9), "T": ("", 10), "L": ("and more", 11),
}  # fmt: skip
LENGTH = {code: length for code, (_, length) in _DIGITS.items()}
_ANY_DIGITS = "".join(LENGTH)
# The classes of words that no group knows: C capital, U upper case, I an initial, w small, l one small letter, X other.
_FREE = [*range(0x80, 0x100), *range(0x0E, 0x1F), *range(0x01, 0x09), *map(ord, "ABDFGHJKMPQRVWZabcgux")]


@cache
def _codes() -> tuple[dict[str, str], dict[str, str]]:
    """Of each word its class (one character), and of each group the characters of its words."""
    kinds: dict[tuple[str, ...], str] = {}
    words: dict[str, str] = {}
    free = iter(_FREE)
    members: dict[str, set[str]] = {name: set() for name in GROUPS}
    for word in sorted(set().union(*GROUPS.values())):
        groups = tuple(name for name in GROUPS if word in GROUPS[name])
        if groups not in kinds:
            kinds[groups] = chr(next(free))
        words[word] = kinds[groups]
        for name in groups:
            members[name].add(kinds[groups])
    soft = "".join(sorted(code for groups, code in kinds.items() if SOFT.issuperset(groups)))
    known = "".join(sorted(set(kinds.values()) - set(soft)))
    sets = {name: "".join(sorted(codes)) for name, codes in members.items()}
    sets |= {
        "num": _ANY_DIGITS, "n1": "zij", "n2": "Opqmdkn", "n12": "zijOpqmdkn", "n3": "hot", "n4": "Yyrf", "n13": "zijOpqmdknhot", "zero": "or",
        "n3up": "hotYyrfvsSEeNTL", "n5": "v", "n5up": "vsSEeNTL", "n6up": "sSEeNTL", "n24": "OpqmdknhotYyrf", "n47": "YyrfvsS", "n1_6": "zijOpqmdknhotYyrfvs", "n2up": "OpqmdknhotYyrfvsSEeNTL",
        "m": "ijpqm", "d": "ijpqmd", "yyyy": "Yy", "old_year": "Y", "yy": "Opqmdkn", "n90": "nh", "eight": "E",
        "word": "CUwIlX" + known + soft, "plain": "CUwIlX" + soft, "title": "CU" + soft, "name": "CUI" + soft, "lower": "w" + soft, "letter": "Il", "known": known,
        "cue": "".join(sorted(set().union(*(members[name] for name in ("lab", "ratio_before", "pressure", "codes", "date_before", "month_before", "phone", "fax", "mrn", "plan", "account", "license", "device", "biometric", "photo", "id", "ssn", "vehicle", "patient", "tnm", "zip", "box", "born"))))),
        "say_or_link": "".join(sorted(members["link"] | members["say"])),
    }  # fmt: skip
    sets["gap"] = " \n"
    sets["alnum"] = sets["num"] + sets["word"]
    sets["any"] = sets["alnum"]
    return words, sets


def _compile(pattern: str) -> bytes:
    """The RE2 pattern, in bytes, of a pattern in the notation of this module."""
    sets = _codes()[1]

    def one(match: re.Match[str]) -> str:
        return "[" + "".join(f"\\x{ord(code):02x}" for code in sets[match[1]]) + "]"

    parts = re.split(r"((?<!P)<\w+>)", pattern.replace(" ", ""))
    plain = (part if part.startswith("<") else part.replace("~", r"\x20?").replace("_", r"\x20") for part in parts)
    return re.sub(r"(?<!P)<(\w+)>", one, "".join(plain)).encode("latin-1")


def _over_lines(pattern: str) -> str:
    """The pattern with a line end wherever it takes a space."""
    wide = re.sub(r"_(?![^<>]*>)", "<gap>", pattern).replace("~", "<gap>?")
    return wide.replace("\\x20", "\\x20\\n")


_WK = r"(?: <weekday> \.? ,? ~ (?:<the>_)? )?"
_CLOCK = r"(?: (?: <tee> | ,? _ (?:<at>_)? ) <n12> : <n12> (?: : <n12> (?:\. <num>)? <letter>? )? )?"
_OF_YEAR = r"(?: ,? [\040/.-]{1,2} (?: <yyyy> | '? <yy> ) | ,? _? <yyyy> )"  # two digits on the next line are no year
_DAY = r"<d> <suffix>?"
_CHUNK = r"<word>* <num> <alnum>*"
_LINK = r"(?: [ \x20:#.=()*/\[\]-] | <link> ){1,7}"
_VALUE = rf"(?: \( <n2> \) )? (?: <word>{{1,2}} [.-] | (?: [UI] | <state> ) <gap> )? {_CHUNK} (?: [-./] <alnum>+ ){{0,6}}"
_PHONE = _over_lines(
    r"(?: \+? <n13> [\x20.-]? )? (?: \( <n3> \) ~ | <n3> [\x20./-]{1,3} ) <n3> [\x20.-]{1,3} <n4> (?: ,? ~ (?:<phone>) \.? ~ <n1_6> )?"
)
_LABELLED = {
    "MRN": "mrn",
    "HEALTH_PLAN": "plan",
    "ACCOUNT": "account",
    "LICENSE": "license",
    "DEVICE": "device",
    "BIOMETRIC": "biometric",
    "PHOTO": "photo",
    "ID": "id",
}
_MORE = r"(?: _ (?:<word>{1,3} <num>+ | <num>{2,4} <word> ) <alnum>* | _ <n3up> ){0,5}"

_TAIL = r"(?: [-./,:+\x5f*#] <alnum>+ )"
_MONTH = r"(?:<month>|<month_short>) \.?"
_DATES = tuple(map(_over_lines, (
    rf"{_WK} <yyyy> [-/.] <m> [-/.] <d> {_CLOCK}",
    rf"{_WK} <d> [-/.] <d> [-/.] (?:<yyyy>|<yy>) {_CLOCK}",
    rf"{_WK} <d> _? [-/.] _? <d> _? [-/.] _? <yyyy> {_CLOCK}",
    rf"{_WK} {_MONTH} [\x20-]{{0,2}} (?:<the>_)? {_DAY} (?: ~ (?: [-&] | <to> ) ~ {_DAY} )? {_OF_YEAR}? {_CLOCK}",
    rf"{_WK} (?:<the>_)? {_DAY} (?: ~ (?: [-&] | <to> ) ~ {_DAY} )? (?: ~ (?:<day>_)? <of> )? [\x20/.-]{{0,2}} {_MONTH} {_OF_YEAR}? {_CLOCK}",
    rf"{_MONTH} ,? [\x20/-]{{0,2}} (?:<of>_)? (?: <yyyy> | ' <yy> )",
    rf"<yyyy> [-\x20/] {_MONTH} (?: [-\x20/] <d> <suffix>? )?",
    r"<m> [/-] <yyyy>",
    rf"{_WK} (?:<the>_)? (?:<ordinal> | <ten> [\x20-] <ordinal>) (?: _ (?:<day>_)? <of> )? _ <month> (?: ,? _ <yyyy> )?",
    r"<month> _ (?:<the>_)? (?:<ordinal> | <ten> [\x20-] <ordinal>) (?: ,? _ <yyyy> )?",
    r"<eight>",
)))  # fmt: skip

# In order of priority: of two that fit the same tokens the first wins. Of several that fit, the longest is taken.
PATTERNS: list[tuple[str, str]] = [
    ("EMAIL", r"(?:<alnum> | [.%+'\x5f-])+ @ <word> <alnum>* (?: [.-] <alnum>+ )*"),
    ("EMAIL", r"(?:<alnum> | [.%+'\x5f-])+ ~ @ ~ <alnum>+ (?: [.-] <alnum>+ )* \. <word>"),
    ("EMAIL", r"(?:<alnum> | [.\x5f-])+ ~ [\[(] <at> [\])] ~ <alnum>+ (?: (?: \. | ~ [\[(] <any> [\])] ~ ) <alnum>+ )+"),
    ("URL", r"<http> : / / (?:<alnum> | [.%+'\x5f/?&=:#@,;!-])+"),
    ("URL", r"<www> \. (?:<alnum> | [.%+'\x5f/?&=:#-])+"),
    ("URL", r"(?:<alnum> | [-\x5f])+ (?: \. (?:<alnum>|-)+ ){0,4} \. <tld> (?: / (?:<alnum> | [.%+'\x5f/?&=:#-])* )?"),
    ("IP", r"<n13> \. <n13> \. <n13> \. <n13> (?: [:/] <num> )?"),
    ("IP", r"(?: <alnum>{1,3} : ){5,7} <alnum>{1,3} | (?:<alnum>{1,3} :){1,6} (?: : <alnum>{1,3} ){1,6}"),
    ("SSN", r"<n3> - <n2> - <n4> | <n3> _ <n2> _ <n4> | (?:[*]|<plain>){1,3} - (?:[*]|<plain>){1,2} - <n4>"),
    ("SSN", rf"<ssn> {_LINK} (?P<v> (?: <plain> | [*] )* <num> (?: [\x20.-] <num> ){{0,2}} )"),
    ("SSN", r"<last> _ <four> (?: _ <of>)? (?:_<ssn>)? (?: [\x20:#=] | <link> ){1,3} (?P<v> <n4> )"),
    ("SSN", r"<ssn> _ <last> _ <four> (?: [\x20:#=] | <link> ){1,3} (?P<v> <n4> )"),
    ("FAX", rf"<fax> (?:{_LINK} | _<to>_ ) (?P<v> {_PHONE} | <n3> [\x20.-] <n4> | \+? <n6up> | \+? <num> (?: [\x20.-] <num> ){{2,5}} )"),
    ("PHONE", rf"<phone> (?: [ \x20:#.=()*/-] | <link> ){{1,5}} (?P<v> {_PHONE} | <n3> [\x20.-] <n4> | <n47> | \+? \(? <num> \)? (?: [\x20.-] \(? <num> \)? ){{2,5}} | <n6up> )"),
    ("PHONE", r"<phone> (?: _ <word> ){1,2} _ <say_or_link> _ (?: \# )? (?P<v> <word>? <n47> | <n3> [.-] <n4> )"),
    ("PHONE", rf"{_PHONE} | \+ <n13> (?: [\x20.-]? \(? <num> \)? ){{2,5}}"),
    ("PHONE", r"<n3> - <n4> | <n5> _ <n6up> | <n4> _ <n3> _ <n3> | <n2> [\x20-] <n4> [\x20-] <n4> | <n3> - <word>+ -? <alnum>+ "),
    ("PHONE", r"(?: <n1> - )? <n3> - <n3> - <word>{1,2} | <phone> <n47>"),
    ("VEHICLE", rf"<vehicle> {_LINK} (?P<v> (?: <plain> [\x20-] )? {_CHUNK} (?: [-.] <alnum>+ ){{0,3}} (?: [\x20-] (?: <n24> | [CU] ) )? )"),
    *((kind, rf"<{group}> (?:_<patient>)? {_LINK} (?P<v> {_VALUE} {_MORE if kind in ('HEALTH_PLAN', 'ACCOUNT', 'MRN', 'LICENSE') else ''} )") for kind, group in _LABELLED.items()),
    ("MRN", rf"<patient> ~ (?: \# | <idword> \.? ) {_LINK} (?P<v> {_VALUE} )"),
    ("ACCOUNT", r"<n4> [\x20-] <n4> [\x20-] <n4> (?: [\x20-] <n24> )?  | <word>? <n2> (?: _ (?:<n4>|<word> <num>|<n3>) ){3,8} | <n4> [\x20-] <n6up> [\x20-] <num>"),
    ("DEVICE", r"(?: \( <n2> \) <alnum>+ ){1,4}"),
    ("PHONE", rf"<phone> ~ :? \n (?P<v> {_PHONE} | \+? \(? <num> \)? (?: [\x20.-] \(? <num> \)? ){{1,5}} )"),
    ("PHONE", r"<zero> (?: _ <n2up> ){2,5} | <zero> _ <n6up> | <n3> _ <n3> _ <n3> | <n2> _ <n3> _ <n3>"),
    ("LOCATION", r"<military> ,? _ <word> _ <n5> | <box_unit> _ <num> ,? _ <box> _ <num>"),
    ("PHONE", r"\+? \( <n13> \) ~ <num> (?: [\x20.-] <num> ){1,3} | \+ <num> (?: [\x20.-] <num> ){1,5}"),
    ("NAME", r"<dictated> [:\x20-]{1,3} (?P<v> (?:<plain>|<known>) / (?:<plain>|<known>) )"),
    ("PHOTO", r"(?:<alnum>+ | [\x5f-]){1,12} \. <file>"),
    ("ID", r"<login> (?:_<who>)? (?: [\x20:=] | <link> ){1,3} (?P<v> <word> <num>* (?: [.\x5f-] <alnum>+ | <num> )+ )"),
    # dates: by themselves, after a cue that other patterns start with, and in forms that only a cue makes sure
    *(("DATE", form) for form in _DATES),
    *(("DATE", rf"(?:<cue>) (?: [ \x20:=,()#.-] | <link> | <word> | <month_before> ){{1,8}} (?P<v> {form} )") for form in _DATES),
    ("DATE", r"(?:<date_before>|<weekday>) ,? _ (?P<v> (?:<the>_)? <d> <suffix> )"),
    ("DATE", rf"(?:<date_before>|<weekday>) [\x20:.,(]{{1,3}} (?P<v> <d> [-/] <d> {_CLOCK} )"),
    ("DATE", r"<month_sure>"),
    ("DATE", r"<month_before> [\x20-] (?:<the>_)? (?P<v> (?:<month>|<month_short>) \.? )"),
    ("DATE", r"<born> (?:<word>|[\x20:])* (?P<v> <old_year> )"),
    ("DATE", r"<festival>"),
    # ages over 89
    ("AGE", r"<age> (?:[\x20/:=] | <sex> | <link> | <of>){1,4} (?P<v> <n90> )"),
    ("AGE", r"<aged> (?:_<at>)? _ (?P<v> <n90> )"),
    ("AGE", r"(?P<v> <n90> ) (?: [\x20-]? <year> | [\x20-]? (?:<year> | <word>) [\x20-/]? <old> | ~ / ~ <sex> | ~ <sex> )"),
    ("AGE", r"<ninety> [\x20-] <digit_word>"),
    ("AGE", r"(?P<v> <ninety> | <one> _ <hundred> (?: _ <word> )? (?: _ <digit_word> )? ) (?: [\x20-] <year> (?: [\x20-] <old> )? )"),
    ("AGE", r"<sex> ~ [,/]? ~ (?P<v> <n90> )"),
    # places with a number
    ("LOCATION", r"(?: <word> ~ \. ~ <word> ~ \. ~ )? <box> ~ \#? ~ <num>"),
    ("LOCATION", r"<zip> (?: [\x20:#] | <link> ){0,4} (?P<v> <alnum>* <num> <alnum>* (?: [\x20-] <alnum>* <num> <alnum>* )? )"),
    ("LOCATION", r"<state> \.? ,? _ (?P<v> <n5> (?: - <n4> )? )"),
    ("LOCATION", r"<n5> - <n4> | [ICU] <n12> [IlCU]? _ <n1> [U] | [IU] <n1> [IU] _? <n1> [IU] <n1>"),
    ("LOCATION", _over_lines(r"<num> <letter>? ,? _ (?:<compass> \.? _)? (?: (?: <title> \.? | <old> | <street> | <weekday> | <month> | <n12> <suffix> | <n3> <suffix> ) _ ){1,4} <street>")),
    ("LOCATION", r"(?: <n2> | <n3up> ) _ (?: <lower> _ ){1,2} <street>"),
    (POSTCODE, r"<word> <n12> <word>? <gap> <n1> <word>"),
    ("LOCATION", r"<flat> ~ \.? ~ \#? ~ (?P<v> <num> <word>? )"),
    # what explains a number
    (KEEP, r"<temperature> (?: [\x20:=><] | <word> ){1,5} <n13> (?: \. <num> )? ~ <sex>"),
    (KEEP, r"<n12> [\x20-]? <year>"),
    (KEEP, r"<pressure> (?: [\x20:,=(] | <link> | <plain> ){1,5} <n13> ~ / ~ <n13>"),
    (KEEP, r"<ratio_before> (?: [\x20:,'()=/-] | <word> ){1,8} <n13> ~ / ~ <n13>"),
    (KEEP, r"(?:<date_before> _)? <n13> ~ / ~ <n13> ~ [,;-]? ~ <ratio_after>"),
    (KEEP, r"<n1_6> (?: [.,] <num> )* (?: ~ (?: - | <to> ) ~ <n1_6> (?:[.,] <num>)* )? (?: ~ | - ) (?: <unit> | % | / ~ (?: <unit> | <per>) )"),
    (KEEP, r"<n1_6> ~ / ~ <n1_6> (?: ~ | - ) (?: <slash_unit> | % )"),
    (KEEP, r"<lab> (?: [\x20:=,><(] | <link> | <of> | <lab> ){1,6} <n1_6> (?: [.,-] <n1_6> )*"),
    (KEEP, r"<icd> (?: [\x20:#.-] | <link> | <icd> ){0,4} <word>? <n13> (?: \. <alnum>{1,3} )?"),
    (KEEP, r"<codes> (?: [\x20:#.-] | <link> | <codes> ){0,4} (?:<alnum> | [.-])* <num> (?: [.-] <alnum>+ )*"),
    (KEEP, r"<n13> (?: , (?:<n3>|O) )+ (?: \. <num> )? | <n1_6> \. <n1_6> | \. <num>"),
    (KEEP, r"(?: <tnm> <n1> [lI]? ){1,3} (?: <tnm> [lI]? )? | <n12> : <n12> (?: : <n12> )?"),
    ("COMPOUND", rf"(?: <word>+ <num> <alnum>* | <num> <alnum>+ ) {_TAIL}* | <num> {_TAIL}+ | (?: <word>+ [-./\x5f#] ){{1,3}} {_CHUNK} {_TAIL}* | <n5up>"),
    ("COMPOUND", rf"\# ~ {_CHUNK}"),
]  # fmt: skip


class _Machine:
    """The compiled patterns: one alternation that finds, and a set that says which pattern it was."""

    def __init__(self) -> None:
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.longest_match = True
        options.max_mem = 64 << 20
        compiled = [(kind, _compile(pattern)) for kind, pattern in PATTERNS]
        self.kinds = [kind for kind, _ in compiled]
        self.single: list[Any] = [re2.compile(pattern, options) for _, pattern in compiled]
        self.which: Any = re2.Set.FullMatchSet(options)
        for _, pattern in compiled:
            self.which.Add(pattern)
        self.which.Compile()
        union = b"|".join(pattern.replace(b"(?P<v>", b"(?:") for _, pattern in compiled)
        # The compiled expression itself: finditer of the Python layer takes as long again as the search. Same results, see the tests.
        self.match: Any = re2.compile(union, options)._regexp.Match
        self.date: Any = re2.compile(_compile("|".join(_DATES)), options)
        self.told: dict[bytes, tuple[int, int, str]] = {}

    def tell(self, classes: bytes) -> tuple[int, int, str]:
        """Where in some classes the identifier stands, and its kind; KEEP where it is none. A function of the classes alone."""
        if (known := self.told.get(classes)) is None:
            known = self.told[classes] = self._tell(classes)
            if len(self.told) > 1 << 16:
                self.told.clear()
        return known

    def _tell(self, classes: bytes) -> tuple[int, int, str]:
        fitting = self.which.Match(classes)
        if not fitting:
            return 0, len(classes), "ID"
        kind = self.kinds[min(fitting)]
        start, end = 0, len(classes)
        if self.single[min(fitting)].groups:
            start, end = self.single[min(fitting)].fullmatch(classes).span(1)
            the = ord(_codes()[0]["the"])
            glued = _codes()[1]["alnum"]
            while start and chr(classes[start - 1]) in glued and chr(classes[start]) in glued:
                start -= 1
            while kind in _LABELS and start > 1 and classes[start - 1] == ord("-") and chr(classes[start - 2]) in glued:
                start -= 2
            if kind == "DATE" and start > 1 and classes[start - 2] == the:
                start -= 2
        found = _judge(kind, classes[start:end].decode("latin-1"))
        if found == KEEP and kind in _LABELS and self.date.fullmatch(classes[start:end]):
            found = "DATE"
        return start, end, found


_LABELS = {"MRN", "HEALTH_PLAN", "ACCOUNT", "LICENSE", "DEVICE", "BIOMETRIC", "PHOTO", "ID"}
_RUNS = re.compile(f"[{_ANY_DIGITS}]")


def _judge(kind: str, classes: str) -> str:  # noqa: PLR0911
    """The kind of an identifier, or KEEP where the form of the value says that it is a measurement."""
    digits = [LENGTH[code] for code in _RUNS.findall(classes)]
    if kind == "COMPOUND":
        return _judge_compound(classes, digits)
    if kind == "PHOTO" and any(code in _codes()[1]["file"] for code in classes):
        return kind
    if kind in _LABELS:
        if len(classes) == 1 and classes in "Yy":
            return KEEP
        if sum(digits) and _judge_compound(classes, digits) == "DATE":
            return "DATE"
        if kind == "ID" and classes.count("-") > 1:
            return kind
        least = 4 if kind in {"DEVICE", "ID", "PHOTO", "ACCOUNT", "HEALTH_PLAN"} else 3
        if sum(digits) < least:
            return KEEP
        inner = _judge_compound(classes, digits)
        return (
            KEEP
            if inner in (KEEP, EITHER)
            and sum(digits) < 5
            and kind in {"DEVICE", "ID", "PHOTO", "HEALTH_PLAN"}
            and len(digits) > 1
            else kind
        )
    return kind


def _judge_compound(classes: str, digits: list[int]) -> str:  # noqa: PLR0911, PLR0912 (a list of forms)
    """ID, or another kind, for a run of letters, digits and marks that no pattern explained; KEEP for clinical forms."""
    sets = _codes()[1]
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
        if len(marks) == 2 and set(marks) in ({"/"}, {"-"}, {"."}) and body[0] in sets["d"] and body[2:3] in sets["d"] and body[-1] in sets["yy"] + sets["yyyy"]:  # fmt: skip
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
    sets = _codes()[1]
    digits = [LENGTH[code] for code in _RUNS.findall(chunk)]
    if not digits:
        return KEEP
    total, longest = sum(digits), max(digits)
    runs = re.findall(f"[{_ANY_DIGITS}]|[^{_ANY_DIGITS}]+", chunk)
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
        return "ID" if longest >= 4 or (longest == 3 and runs[0] in _ANY_DIGITS) else KEEP
    if all(run in sets["tnm"] or run in sets["num"] for run in runs) and total <= 4:
        return KEEP
    if runs[-1] in sets["unit"] and longest <= 4 and len(runs) == 3:
        return KEEP
    return "ID" if total >= 4 or len(runs) >= 5 else KEEP


_ANYWHERE = re2._Anchor.UNANCHORED


@cache
def _machine() -> _Machine:
    return _Machine()


@cache
def members(group: str) -> npt.NDArray[np.bool_]:
    """Which of the 256 classes belong to words of a group."""
    table = np.zeros(256, bool)
    table[[ord(code) for code in _codes()[1][group]]] = True
    return table


@cache
def marks(some: bytes) -> npt.NDArray[np.bool_]:
    """Which of the 256 classes are some marks."""
    return np.isin(np.arange(256), np.frombuffer(some, np.uint8))


def word_codes() -> dict[str, str]:
    """Of each word of the vocabulary its class."""
    return _codes()[0]


def classify(tokens: Tokens, code: Bytes) -> Bytes:
    """The class of each token: one byte, as the patterns read it. code: of each word its class in the vocabulary, or 0."""
    result = _CASES[tokens.shape]
    np.copyto(result, code, where=code > 0)
    rest = np.flatnonzero(tokens.kind != LETTERS)
    result[rest] = _mark_codes()[np.minimum(tokens.mark[rest].astype(np.uint32), 0x2FFF)]
    result[tokens.kind == EDGE] = 0
    digits = np.flatnonzero(tokens.kind == DIGITS)
    result[digits] = _digit_codes(tokens.value[digits], (tokens.end - tokens.start)[digits])
    return result


_CASES = np.array([ord(code) for code in "wCUIClXX"], np.uint8)  # by shape


@cache
def _mark_codes() -> Bytes:
    """ASCII marks stand for themselves, typographic ones for their plain form, all others for `?`."""
    table = np.full(0x3000, ord("?"), np.uint8)
    for code in range(33, 127):
        if not chr(code).isalnum() and code != EITHER_CLASS:
            table[code] = code
    for code in (0x2010, 0x2011, 0x2012, 0x2013, 0x2014):
        table[code] = ord("-")
    table[[0x2018, 0x2019]] = ord("'")
    return table


def _digit_codes(value: Ints, length: Ints) -> Bytes:
    by_length = np.frombuffer(b"\0i.tfvsSeNTL", np.uint8)
    code = by_length[np.minimum(length, 11)].copy()
    one, two, three, four, eight = (length == size for size in (1, 2, 3, 4, 8))
    code[one & (value == 0)] = ord("z")
    code[one & ((value == 5) | (value == 6))] = ord("j")
    pairs = np.select(
        [value == 0, value < 10, value == 10, value < 13, value < 32, value < 90], [ord(c) for c in "Opqmdk"], ord("n")
    )
    code[two] = pairs[two]
    code[three & (value < 100)] = ord("o")
    code[four & (value < 1000)] = ord("r")
    code[three & (value >= 100) & (value <= 130)] = ord("h")
    code[four & (value >= 1900) & (value < 1940)] = ord("Y")
    code[four & (value >= 1940) & (value < 2100)] = ord("y")
    year, month, day = value // 10000, value // 100 % 100, value % 100
    code[eight & (year >= 1900) & (year < 2100) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)] = ord("E")
    return code


def find(tokens: Tokens, classes: Bytes) -> tuple[Ints, Ints, list[str]]:
    """The stretches of tokens that the grammar knows, in order, none overlapping: first, last (exclusive), and kind.

    KEEP: they are explained. EITHER: the scorer is to be asked.
    """
    place = np.arange(len(tokens)) + np.cumsum(tokens.gap > 0)
    line = np.full(int(place[-1]) + 1, 32, np.uint8)
    line[place] = classes
    at = np.empty(len(line), np.int64)
    at[place] = np.arange(len(tokens))
    gaps = np.flatnonzero(tokens.gap)
    at[place[gaps] - 1] = gaps
    line[place[gaps] - 1] = np.where(tokens.gap[gaps] > 1, 10, 32)
    text = line.tobytes()
    machine = _machine()
    told, match = machine.told, machine.match
    starts, ends, kinds = [], [], []
    start, end = match(_ANYWHERE, text, 0, len(text))[0]
    while start >= 0:
        some = text[start:end]
        first, last, kind = told.get(some) or machine.tell(some)
        starts.append(start + first)
        ends.append(start + last - 1)
        kinds.append(kind)
        start, end = match(_ANYWHERE, text, end, len(text))[0]
    return at[starts], at[ends] + 1, kinds
