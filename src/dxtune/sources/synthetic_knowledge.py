"""What the synthetic source knows, read from synthetic.yaml: a small exact model of diagnoses and findings.

A finding is affirmed, denied or not mentioned, independently of the others once the diagnosis is known; so the posterior
of a note is Bayes' rule, and the accuracy that no classifier can beat is known too.
"""

import math
import random
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import accumulate, product
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dxtune.errors import DataError

Probability = Annotated[float, Field(gt=0, lt=1)]
Weight = Annotated[float, Field(gt=0)]
Mentions = dict[str, tuple[tuple[float, float], ...]]
"""For each finding, P(affirmed | diagnosis) and P(denied | diagnosis), diagnoses in sorted order."""
Wordings = Annotated[tuple[str, ...], Field(min_length=1)]
Kind = Literal["symptom", "sign", "lab", "history"]
KINDS: tuple[Kind, ...] = ("symptom", "sign", "lab", "history")
AFFIRMED, DENIED, UNMENTIONED = 1, -1, 0
NUMBER = re.compile(r"\{(\d+(?:\.\d+)?)\.\.(\d+(?:\.\d+)?)\}")
T = TypeVar("T")


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(_Table):
    """One finding: how it is worded, and how often it is present where a diagnosis does not say."""

    kind: Kind
    otherwise: Probability
    written: Probability | None = None
    affirmed: Wordings
    short: Wordings
    denied: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> "Finding":
        if self.kind == "lab" and not self.denied:
            raise ValueError("a lab needs its own `denied` wordings")
        pairs = product(_ranges(self.affirmed + self.short), _ranges(self.denied))
        if any(low <= last and first <= high for (low, high), (first, last) in pairs):
            raise ValueError(
                "the ranges of affirmed and denied wordings overlap: keep them apart, so that a number tells the state"
            )
        return self


class Diagnosis(_Table):
    """One label: its relative frequency, P(present | diagnosis) of its findings, and the words that would give it away."""

    prior: Weight
    findings: dict[str, Probability]
    sex: dict[str, Weight] = {}
    age: dict[str, Weight] = {}
    never: Wordings


class AgeBand(_Table):
    """A band of years of age, first and last."""

    share: Weight
    years: tuple[int, int]


class Sex(_Table):
    """A sex and the words that layouts use for it."""

    share: Weight
    words: dict[str, str]


class Site(_Table):
    """Where notes are written; `layouts` and `plain` (lower case, own abbreviations) make a site write differently."""

    share: Weight
    facilities: Wordings
    layouts: tuple[str, ...] = ()
    plain: bool = False


class Layout(_Table):
    """A way of writing a note: the text with its slots, and how findings are said in it."""

    text: str
    says: dict[Kind, Wordings]
    terse: bool = False


class Knowledge(_Table):
    """All of synthetic.yaml."""

    label_noise: Probability
    same_diagnosis: Probability
    early: Annotated[float, Field(ge=0, le=1)]
    early_strength: Annotated[float, Field(ge=0, le=1)]
    written: Probability
    denied: Probability
    typos: Probability
    noise_findings: tuple[int, int]
    characters: tuple[int, int]
    target_characters: tuple[int, int]
    notes_per_patient: dict[int, Weight]
    age_bands: dict[str, AgeBand]
    sexes: dict[str, Sex]
    ethnicities: dict[str, Weight]
    sites: dict[str, Site]
    diagnoses: Annotated[dict[str, Diagnosis], Field(min_length=2)]
    negations: dict[Kind, Wordings]
    findings: dict[str, Finding]
    noise: dict[Kind, Wordings]
    headers: Wordings
    layouts: dict[str, Layout]
    nothing: Wordings
    abbreviations: dict[str, str]
    filler: Wordings
    additions: Wordings
    codes: dict[str, Wordings]
    name_forms: dict[str, Wordings]
    date_forms: Wordings
    short_date_forms: Wordings
    kin: dict[str, Wordings]
    streets: Wordings
    cities: Wordings
    counties: Wordings
    states: Wordings
    employers: Wordings
    first_names: dict[str, Wordings]
    last_names: Wordings

    @model_validator(mode="after")
    def _check(self) -> "Knowledge":
        for name, diagnosis in self.diagnoses.items():
            for key, known in (("findings", self.findings), ("sex", self.sexes), ("age", self.age_bands)):
                if unknown := [found for found in getattr(diagnosis, key) if found not in known]:
                    raise ValueError(
                        f"diagnoses.{name}.{key}: unknown {unknown}: add them to the table, or correct the spelling"
                    )
        for name, site in self.sites.items():
            if unknown := [layout for layout in site.layouts if layout not in self.layouts]:
                raise ValueError(f"sites.{name}.layouts: unknown {unknown}: expected some of {list(self.layouts)}")
        for term, where in self.given_away(self.wordings):
            raise ValueError(f"the wording {where!r} contains {term!r}, which gives a diagnosis away: reword it")
        return self

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The diagnoses in sorted order: the order of every posterior."""
        return tuple(sorted(self.diagnoses))

    @cached_property
    def never(self) -> re.Pattern[str]:
        """A pattern of all words that would give a diagnosis away."""
        terms = [*self.diagnoses, *(term for diagnosis in self.diagnoses.values() for term in diagnosis.never)]
        return re.compile(r"\b(?:" + "|".join(re.escape(term).replace(r"\*", r"\w*") for term in terms) + r")\b", re.IGNORECASE)

    @property
    def wordings(self) -> list[str]:
        """Everything that a note can be made of, but for numbers and codes."""
        findings = [word for finding in self.findings.values() for word in finding.affirmed + finding.short + finding.denied]
        layouts = [word for layout in self.layouts.values() for word in (layout.text, *sum(layout.says.values(), ()))]
        places = [
            *self.streets,
            *self.cities,
            *self.counties,
            *self.employers,
            *self.last_names,
            *sum(self.first_names.values(), ()),
        ]
        facilities = [name for site in self.sites.values() for name in site.facilities]
        common = [*self.headers, *self.filler, *self.additions, *self.nothing, *self.abbreviations.values()]
        return findings + layouts + places + facilities + common + [word for words in self.noise.values() for word in words]

    def given_away(self, texts: Iterable[str]) -> list[tuple[str, str]]:
        """Each text that names a diagnosis, after the term found in it."""
        return [(match[0], text) for text in texts if (match := self.never.search(text))]

    @cached_property
    def courses(self) -> tuple[tuple[float, Mentions], ...]:
        """How an illness may show itself: the share of notes, and each finding's mentions in them. Declared, and early."""
        return (1 - self.early, self._mentions(1.0)), (self.early, self._mentions(self.early_strength))

    def _mentions(self, strength: float) -> Mentions:
        rows = {}
        for name, finding in self.findings.items():
            written, otherwise = finding.written or self.written, finding.otherwise
            present = [
                otherwise + strength * (self.diagnoses[label].findings.get(name, otherwise) - otherwise)
                for label in self.labels
            ]
            rows[name] = tuple((share * written, (1 - share) * self.denied) for share in present)
        return rows

    @cached_property
    def priors(self) -> dict[tuple[str, str], tuple[float, ...]]:
        """P(diagnosis | sex, age band), diagnoses in the order of `labels`."""
        return {(sex, band): self._prior(sex, band) for sex, band in product(self.sexes, self.age_bands)}

    def _prior(self, sex: str, band: str) -> tuple[float, ...]:
        known = [self.diagnoses[label] for label in self.labels]
        return _normalise([each.prior * each.sex.get(sex, 1.0) * each.age.get(band, 1.0) for each in known])

    def posterior(self, sex: str, band: str, states: Mapping[str, int]) -> tuple[float, ...]:
        """P(diagnosis | sex, age band, states), diagnoses in the order of `labels`; findings left out are not mentioned.

        Products and exact sums only, so that every machine computes the same bits.
        """
        weights = []
        for index, prior in enumerate(self.priors[sex, band]):
            likelihood = 0.0
            for share, mentions in self.courses:
                product = share
                for name, rows in mentions.items():
                    affirmed, denied = rows[index]
                    state = states.get(name, UNMENTIONED)
                    product *= affirmed if state == AFFIRMED else denied if state == DENIED else 1 - affirmed - denied
                likelihood += product
            weights.append(prior * likelihood)
        return _normalise(weights)

    def observed(self, posterior: Sequence[float]) -> list[float]:
        """The posterior of the label as recorded: with `label_noise` it is any of the other diagnoses.

        Ten labels and 2 % noise: a certain diagnosis is recorded with probability 0.98, any other with 0.02 / 9.
        """
        other = self.label_noise / (len(self.labels) - 1)
        return [share * (1 - self.label_noise) + (1 - share) * other for share in posterior]

    def draw_diagnosis(self, rng: random.Random, sex: str, band: str) -> str:
        """A diagnosis for a patient of this sex and age band."""
        return draw(rng, dict(zip(self.labels, self.priors[sex, band], strict=True)))

    def draw_states(self, rng: random.Random, diagnosis: str) -> dict[str, int]:
        """The findings that a note mentions, and whether each is affirmed (1) or denied (-1)."""
        index, states = self.labels.index(diagnosis), {}
        (_, declared), (early, undeclared) = self.courses
        for name, rows in (undeclared if rng.random() < early else declared).items():
            affirmed, denied = rows[index]
            point = rng.random()
            if point < affirmed + denied:
                states[name] = AFFIRMED if point < affirmed else DENIED
        return states

    def draw_label(self, rng: random.Random, diagnosis: str) -> str:
        """The label recorded for a diagnosis: another one for the share `label_noise` of notes."""
        wrong = [label for label in self.labels if label != diagnosis]
        return rng.choice(wrong) if rng.random() < self.label_noise else diagnosis


def draw(rng: random.Random, weights: Mapping[T, float]) -> T:
    """A key, as often as its weight says.

    >>> draw(random.Random(1), {"never": 0.0, "always": 2.0})
    'always'
    """
    point = rng.random() * math.fsum(weights.values())
    ends = list(accumulate(weights.values()))
    return list(weights)[min(bisect_right(ends, point), len(ends) - 1)]


def load_knowledge(path: Path) -> Knowledge:
    """The checked knowledge in a YAML file like synthetic.yaml. Raises DataError naming the file, the key and the remedy."""
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError:
        raise DataError(
            f"expected the knowledge of the synthetic source in {path}, found no such file: set collect.path"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise DataError(
            f"{path}{f', line {mark.line + 1}' if mark else ''} is not YAML: compare it with git diff {path}"
        ) from None
    try:
        return Knowledge.model_validate(raw)
    except ValidationError as error:
        lines = [
            f"{path}: {'.'.join(map(str, e['loc'])) or 'table'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        ]
        raise DataError("\n".join(lines)) from None


def _ranges(wordings: Iterable[str]) -> list[tuple[float, float]]:
    return [(float(low), float(high)) for wording in wordings for low, high in NUMBER.findall(wording)]


def _normalise(weights: Sequence[float]) -> tuple[float, ...]:
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights)
