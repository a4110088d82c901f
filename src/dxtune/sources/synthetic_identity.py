"""Made-up people, and every kind of protected health information (PHI) that a note about them can hold.

All values are nobody's: 555-01xx phones, example.org, documentation addresses, areas of SSNs that were never issued.
"""

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from dxtune.sources.synthetic_knowledge import Knowledge, draw

LETTERS = "ABDGHJKLMNRTVWXYZ"  # without C, E, F, O, P, U: no code spells a diagnosis
VIN_VALUES = dict(
    zip("0123456789ABCDEFGHJKLMNPRSTUVWXYZ", [*range(10), *range(1, 9), 1, 2, 3, 4, 5, 7, 9, *range(2, 10)], strict=True)
)
VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
FIRST_DAY, LAST_DAY = date(2018, 2, 1), date(2023, 6, 30)

# Slots of the layouts that are codes: always the same for a patient.
CODES = {"mrn": "MRN", "ssn": "SSN", "plan": "HEALTH_PLAN", "account": "ACCOUNT", "plate": "VEHICLE", "device": "DEVICE"} | {
    "phone": "PHONE", "url": "URL", "ip": "IP", "biometric": "BIOMETRIC", "photo": "PHOTO", "code": "ID", "zip": "LOCATION"
}  # fmt: skip
PATTERNS = {"plate": "PLATE", "zip": "ZIP"}  # codes whose pattern is not named after their type


class Piece(NamedTuple):
    """A stretch of a note; `type` is empty where it is not PHI."""

    text: str
    type: str = ""


class Person(NamedTuple):
    """A name in parts."""

    first: str
    middle: str
    last: str


@dataclass(frozen=True)
class Patient:
    """Who a note is about: what stays the same from note to note."""

    name: Person
    sex: str
    age_band: str
    ethnicity: str
    site: str
    age: int
    birth: date
    first_visit: date
    kin: str
    relative: Person
    fixed: dict[str, Piece]


@dataclass(frozen=True)
class Visit:
    """One dated contact of a patient with a clinician."""

    patient: Patient
    day: date
    clinician: Person


def make_patient(knowledge: Knowledge, rng: random.Random) -> Patient:
    """A patient with all that notes may say of them."""
    sex = draw(rng, {key: each.share for key, each in knowledge.sexes.items()})
    band = draw(rng, {key: each.share for key, each in knowledge.age_bands.items()})
    age = rng.randint(*knowledge.age_bands[band].years)
    first_visit = FIRST_DAY + timedelta(days=rng.randrange((LAST_DAY - FIRST_DAY).days))
    birthday = first_visit - timedelta(days=rng.randrange(180))  # so that no birthday falls between the visits
    other_sex = rng.choice([key for key in knowledge.sexes if key != sex])
    name = _person(knowledge, rng, other_sex if rng.random() < 0.03 else sex)
    kin_sex = rng.choice(list(knowledge.kin))
    relative = _person(knowledge, rng, kin_sex)
    fixed = {
        slot: Piece(_code(rng.choice(knowledge.codes[PATTERNS.get(slot, kind)]), rng), kind) for slot, kind in CODES.items()
    }
    fixed |= {
        "street": Piece(f"{rng.randrange(10, 9900)} {rng.choice(knowledge.streets)}", "LOCATION"),
        "city": Piece(rng.choice(knowledge.cities), "LOCATION"),
        "county": Piece(rng.choice(knowledge.counties), "LOCATION"),
        "state": Piece(rng.choice(knowledge.states)),
        "employer": Piece(rng.choice(knowledge.employers), "FACILITY"),
        "referrer": Piece(rng.choice(knowledge.last_names), "NAME"),
        "email": Piece(_email(name, rng), "EMAIL"),
        "vin": Piece(_vin(rng), "VEHICLE"),
    }
    return Patient(
        name=name,
        sex=sex,
        age_band=band,
        ethnicity=draw(rng, knowledge.ethnicities),
        site=draw(rng, {key: each.share for key, each in knowledge.sites.items()}),
        age=age,
        birth=birthday.replace(year=birthday.year - age, day=min(birthday.day, 28)),
        first_visit=first_visit,
        kin=rng.choice(knowledge.kin[kin_sex]),
        relative=relative if rng.random() < 0.3 else relative._replace(last=name.last),
        fixed=fixed,
    )


def make_visits(knowledge: Knowledge, patient: Patient, rng: random.Random) -> list[Visit]:
    """The one to four dated visits of a patient, earliest first."""
    day, visits = patient.first_visit, []
    for _ in range(draw(rng, knowledge.notes_per_patient)):
        visits.append(Visit(patient, day, _person(knowledge, rng, rng.choice(list(knowledge.first_names)))))
        day += timedelta(days=rng.randint(3, 45))
    return visits


def identify(slot: str, visit: Visit, knowledge: Knowledge, rng: random.Random) -> Piece:  # noqa: PLR0911
    """What stands in a slot of a layout: PHI in one of its forms, or a word for the patient's sex.

    Raises KeyError for a slot that nobody knows.
    """
    patient = visit.patient
    if slot in patient.fixed:
        return patient.fixed[slot]
    match slot:
        case "patient" | "patient_comma" | "patient_upper":
            return Piece(_name(patient.name, rng.choice(knowledge.name_forms[slot])), "NAME")
        case "last":
            return Piece(patient.name.last, "NAME")
        case "relative" | "clinician":
            person = patient.relative if slot == "relative" else visit.clinician
            return Piece(_name(person, rng.choice(knowledge.name_forms["person"])), "NAME")
        case "clinician_last":
            return Piece(visit.clinician.last, "NAME")
        case "visit" | "dob":
            return Piece(_date(visit.day if slot == "visit" else patient.birth, rng.choice(knowledge.date_forms)), "DATE")
        case "event" | "next":
            form = rng.choice(knowledge.date_forms + knowledge.short_date_forms)
            days = rng.randint(3, 60) if slot == "next" else -rng.randint(1, 150)
            return Piece(_date(visit.day + timedelta(days=days), form), "DATE")
        case "age":
            return Piece(str(patient.age), "AGE" if patient.age > 89 else "")
        case "facility":
            return Piece(rng.choice(knowledge.sites[patient.site].facilities), "FACILITY")
        case "fax" | "license":
            return Piece(_code(rng.choice(knowledge.codes[slot.upper()]), rng), slot.upper())
        case "kin":
            return Piece(patient.kin)
        case _:
            return Piece(knowledge.sexes[patient.sex].words[slot])


def _person(knowledge: Knowledge, rng: random.Random, sex: str) -> Person:
    return Person(rng.choice(knowledge.first_names[sex]), rng.choice(LETTERS), rng.choice(knowledge.last_names))


def _name(person: Person, form: str) -> str:
    """A name in a form.

    >>> _name(Person("Rosa", "M", "Diaz"), "{LAST}, {first} {middle}."), _name(Person("Rosa", "M", "Diaz"), "{initial}. {last}")
    ('DIAZ, Rosa M.', 'R. Diaz')
    """
    upper = {"FIRST": person.first.upper(), "LAST": person.last.upper()}
    return form.format(**person._asdict(), **upper, initial=person.first[0])


def _date(day: date, form: str) -> str:
    """A date in a form, in English whatever the locale.

    >>> _date(date(2021, 3, 4), "{m}/{d:02d}/{yy}"), _date(date(2021, 3, 4), "{mon} {d}")
    ('3/04/21', 'Mar 4')
    """
    month = MONTHS[day.month - 1]
    return form.format(y=day.year, yy=f"{day.year % 100:02d}", m=day.month, d=day.day, month=month, mon=month[:3])


def _code(pattern: str, rng: random.Random) -> str:
    """A code by its pattern: # is a digit, % a digit from 2 to 9, ? a letter.

    >>> _code("IMG_##.jpg", random.Random(1))
    'IMG_29.jpg'
    """
    choices = {"#": "0123456789", "%": "23456789", "?": LETTERS}
    return "".join(rng.choice(choices[mark]) if mark in choices else mark for mark in pattern)


def _email(person: Person, rng: random.Random) -> str:
    first, last = ("".join(filter(str.isalpha, part.lower())) for part in (person.first, person.last))
    local = rng.choice([f"{first}.{last}", f"{first[0]}{last}{rng.randrange(10, 99)}", f"{last}_{first}"])
    return f"{local}@{rng.choice(['example.org', 'mail.example.org'])}"


def _vin(rng: random.Random) -> str:
    letters = "".join(rng.choice(list(VIN_VALUES)) for _ in range(17))
    return letters[:8] + vin_check_digit(letters) + letters[9:]


def vin_check_digit(vin: str) -> str:
    """The ninth character that a vehicle identification number must have (49 CFR 565.15).

    >>> vin_check_digit("1M8GDM9A_KP042788".replace("_", "0"))
    'X'
    """
    total = sum(VIN_VALUES[mark] * weight for mark, weight in zip(vin, VIN_WEIGHTS, strict=True))
    return "0123456789X"[total % 11]
