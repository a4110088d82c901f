"""The patterns of identifiers and of clinical numbers, over a string with one character a token.

Whatever holds a digit and is no plain short number is matched by something: by an identifier, by a measurement that explains
it, or by the pattern COMPOUND, which judging.py masks where it cannot explain it. 45 CFR 164.514(b)(2)(i)(B)-(R).

In a pattern `<name>` is a token of a group of vocabulary.py or of a set of `codes`, `~` an optional space, `_` a space, and
blanks mean nothing. A space is no line end: where a sentence may wrap inside an identifier, a pattern says `<gap>`, or is
made of one by `_over_lines`. What repeats before the part that makes a pattern what it is has a bound: a search that runs to the end
of the note, finds no @, and begins anew at the next word would take the square of its length.
"""

# ruff: noqa: E501 (tables: a line a pattern)
import re
from functools import cache

from dxtune.deid.vocabulary import GROUPS, LATE, SOFT

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
ANY_DIGITS = "".join(LENGTH)
# The classes of words that no group knows: C capital, U upper case, I an initial, w small, l one small letter, X other.
_FREE = [*range(0x80, 0x100), *range(0x0E, 0x1F), *range(0x01, 0x09), *map(ord, "ABDFGHJKMPQRVWZabcgux")]


@cache
def codes() -> tuple[dict[str, str], dict[str, str]]:
    """Of each word its class (one character), and of each group the characters of its words."""
    kinds: dict[tuple[str, ...], str] = {}
    words: dict[str, str] = {}
    free = iter(_FREE)
    members: dict[str, set[str]] = {name: set() for name in GROUPS}
    late = frozenset().union(*(GROUPS[name] for name in LATE))
    for word in sorted(set().union(*GROUPS.values()), key=lambda word: (word in late, word)):
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
        "num": ANY_DIGITS, "n1": "zij", "n2": "Opqmdkn", "n12": "zijOpqmdkn", "n3": "hot", "n4": "Yyrf", "n13": "zijOpqmdknhot", "zero": "or",
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


def compiled(pattern: str) -> bytes:
    """The RE2 pattern, in bytes, of a pattern in the notation of this module."""
    sets = codes()[1]

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

_AMOUNT = r"<n1_6> (?: , (?: <n3> | O ) )* (?: [.,] <num> )?"  # 613.555.0185 is none, whatever follows
_MAILBOX = r"(?:<alnum> | [.%+'\x5f-]){1,24}"
_TAIL = r"(?: [-./,:+\x5f*#] <alnum>+ )"
_MONTH = r"(?:<month>|<month_short>) \.?"
DATES = tuple(map(_over_lines, (
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

_STREETS = (
    _over_lines(
        r"<num> <letter>? ,? _ (?:<compass> \.? _)? (?: (?: <title> \.? | <old> | <street> | <weekday> | <month> | <n12> <suffix> | <n3> <suffix> ) _ ){1,4} <street>"
    ),
    r"(?: <n2> | <n3up> ) _ (?: (?: <lower> | <old> ) _ ){1,2} <street>",
)

# In order of priority: of two that fit the same tokens the first wins. Of several that fit, the longest is taken.
PATTERNS: list[tuple[str, str]] = [
    ("EMAIL", rf"{_MAILBOX} @ <word> <alnum>* (?: [.-] <alnum>+ )*"),
    ("EMAIL", rf"{_MAILBOX} ~ @ ~ <alnum>+ (?: [.-] <alnum>+ )* \. <word>"),
    ("EMAIL", rf"{_MAILBOX} ~ [\[(] <at> [\])] ~ <alnum>+ (?: (?: \. | ~ [\[(] <any> [\])] ~ ) <alnum>+ )+"),
    ("URL", r"<http> : / / (?:<alnum> | [.%+'\x5f/?&=:#@,;!-])+"),
    ("URL", r"<www> \. (?:<alnum> | [.%+'\x5f/?&=:#-])+"),
    ("URL", r"(?:<alnum> | [-\x5f]){1,24} (?: \. (?:<alnum>|-){1,24} ){0,4} \. <tld> (?: / (?:<alnum> | [.%+'\x5f/?&=:#-])* )?"),
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
    ("AGE", r"(?P<v> <n90> ) - <year> - <old>"),
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
    *(("DATE", form) for form in DATES),
    *(("DATE", rf"<cue> (?: [ \x20:=,()#.-] | <link> | <word> | <month_before> ){{1,8}} (?P<v> {form} )") for form in DATES),
    ("DATE", r"(?:<date_before>|<weekday>) ,? _ (?P<v> (?:<the>_)? <d> <suffix> )"),
    ("DATE", rf"(?:<date_before>|<weekday>) [\x20:.,(]{{1,3}} (?P<v> <d> [-/] <d> {_CLOCK} )"),
    ("DATE", r"<month_sure>"),
    ("DATE", r"<month_before> [\x20-] (?:<the>_)? (?P<v> (?:<month>|<month_short>) \.? )"),
    ("DATE", r"<born> (?:<word>|[\x20:]){0,16} (?P<v> <old_year> )"),
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
    *(("LOCATION", form) for form in _STREETS),
    *(("LOCATION", rf"<cue> ~ : ~ (?P<v> {form} )") for form in _STREETS),
    (POSTCODE, r"<word> <n12> <word>? <gap> <n1> <word>"),
    ("LOCATION", r"<flat> ~ \.? ~ \#? ~ (?P<v> <num> <word>? )"),
    # what explains a number
    (KEEP, r"<temperature> (?: [\x20:=><] | <word> ){1,5} <n13> (?: \. <num> )? ~ <sex>"),
    (KEEP, r"<n12> [\x20-]? <year>"),
    (KEEP, r"<aged> (?:_<at>)? _ <n13> (?: \. <num> | ~ % | ~ <slash_unit> )"),
    (KEEP, r"<pressure> (?: [\x20:,=(] | <link> | <plain> ){1,5} <n13> ~ / ~ <n13>"),
    (KEEP, r"<ratio_before> (?: [\x20:,'()=/-] | <word> ){1,8} <n13> ~ / ~ <n13>"),
    (KEEP, r"(?:<date_before> _)? <n13> ~ / ~ <n13> ~ [,;-]? ~ <ratio_after>"),
    (KEEP, rf"{_AMOUNT} (?: ~ (?: - | <to> ) ~ {_AMOUNT} )? (?: ~ | - ) (?: <unit> | % | / ~ (?: <unit> | <per>) )"),
    (KEEP, r"<n1_6> ~ / ~ <n1_6> (?: ~ | - ) (?: <slash_unit> | % )"),
    (KEEP, r"<lab> (?: [\x20:=,><(] | <link> | <of> | <lab> ){1,6} <n1_6> (?: [.,-] <n1_6> )*"),
    (KEEP, r"<icd> (?: [\x20-]? <n12> )? (?: [\x20:#.-] | <link> | <icd> ){0,4} <word>? <n13> (?: \. <alnum>{1,3} )?"),
    (KEEP, r"<codes> (?: [\x20:#.-] | <link> | <codes> ){0,4} (?:<alnum> | [.-]){0,12} <num> (?: [.-] <alnum>+ )*"),
    (KEEP, r"<n13> (?: , (?:<n3>|O) )+ (?: \. <num> )? | <n1_6> \. <n1_6> | \. <num>"),
    (KEEP, r"(?: <tnm> <n1> [lI]? ){1,3} (?: <tnm> [lI]? )? | <n12> : <n12> (?: : <n12> )?"),
    ("COMPOUND", rf"(?: <word>+ <num> <alnum>* | <num> <alnum>+ ) {_TAIL}* | <num> {_TAIL}+ | (?: <word>+ [-./\x5f#] ){{1,3}} {_CHUNK} {_TAIL}* | <n5up>"),
    ("COMPOUND", rf"\# ~ {_CHUNK}"),
]  # fmt: skip
