"""Made-up values for the slots of the template families: identifiers in many forms, and clinical phrases that are none.

Everything is synthetic. Names are drawn from the lexicon by how common they are; about one in seven is invented letter by letter,
so that the scorer learns to live with names that no list holds.
"""

# ruff: noqa: E501, S311, SIM905 (tables; made-up values need no secure random)
import random
import re
from bisect import bisect
from collections import defaultdict
from collections.abc import Callable
from functools import cached_property
from itertools import accumulate

from dxtune.deid.lexicon import Entry, entries

MONTHS = "January February March April May June July August September October November December".split()
STATES = "Alabama AL Alaska AK Arizona AZ Arkansas AR California CA Colorado CO Connecticut CT Delaware DE Florida FL Georgia GA Hawaii HI Idaho ID Illinois IL Indiana IN Iowa IA Kansas KS Kentucky KY Louisiana LA Maine ME Maryland MD Massachusetts MA Michigan MI Minnesota MN Mississippi MS Missouri MO Montana MT Nebraska NE Nevada NV Ohio OH Oklahoma OK Oregon OR Pennsylvania PA Tennessee TN Texas TX Utah UT Vermont VT Virginia VA Washington WA Wisconsin WI Wyoming WY".split()
COUNTRIES = "Mexico India Nigeria Vietnam Philippines Haiti Guatemala Somalia Poland Ireland Canada Brazil China Korea Ethiopia Ghana Jamaica Iran Iraq Syria Ukraine Russia Italy Germany France Spain Peru Colombia Kenya Egypt Pakistan Bangladesh Nepal Japan Thailand".split()
STREETS = "Street St Avenue Ave Road Rd Boulevard Blvd Lane Ln Drive Dr Court Ct Circle Way Place Pl Terrace Parkway Pkwy Highway Hwy Trail Square Loop Crescent Row Close Alley Annex Bayou Bend Bluff Bridge Brook Burg Bypass Cape Causeway Cliff Common Corner Course Cove Creek Crest Crossing Dale Dam Divide Estate Estates Expressway Extension Fall Falls Ferry Field Fields Flat Ford Forest Forge Fork Fort Freeway Gardens Gateway Glen Green Grove Harbor Haven Heights Hill Hills Hollow Inlet Island Junction Key Keys Knoll Lake Landing Light Loaf Locks Lodge Mall Manor Meadow Meadows Mews Mill Mills Mission Motorway Mount Mountain Neck Orchard Oval Overpass Park Parkways Pass Passage Path Pike Pine Plain Plains Plaza Point Port Prairie Radial Ramp Ranch Rapid Rest Ridge River Route Run Shoal Shore Skyway Spring Springs Spur Station Stream Summit Throughway Trace Track Tunnel Turnpike Underpass Union Valley Via Viaduct View Village Ville Vista Walk Wall Well Wells".split()
NATURE = "Lake River Oak Cedar Maple Pine Willow Valley Ridge Meadow Summit Harbor Bay Cherry Birch Elm Spring Mill Stone Eagle Fox Sunset Highland Forest Garden Orchard Prairie Canyon Desert Ocean Silver Golden Green".split()
SAINTS = (
    "Mary Luke Jude John Joseph Vincent Anthony Francis Michael Elizabeth Catherine Barnabas Agnes Anne Peter Raphael".split()
)
HOSPITAL_TAILS = "Hospital|Medical Center|Regional Medical Center|General Hospital|Memorial Hospital|Community Hospital|Regional Hospital|University Hospital|Children's Hospital|Health System|Health|Healthcare|Infirmary|Medical Centre|Hospital and Clinics|VA Medical Center|Hospital Center|Methodist Hospital|Baptist Hospital|District Hospital|Institute|Cancer Institute|Heart Institute|Rehabilitation Hospital|Health Center|Medical Campus".split(
    "|"
)
CLINIC_TAILS = "Clinic|Family Practice|Family Medicine|Medical Group|Associates|Primary Care|Urgent Care|Cardiology Associates|Dental|Eye Center|Pediatrics|Orthopedics|Health Center|Surgery Center|Dialysis|Imaging|Physical Therapy|Wellness|Pharmacy|Walk-in Clinic|Internal Medicine|Nursing Home|Manor|Rehab|Rehabilitation Center|Assisted Living|Women's Health|Dermatology|Surgical Centre|Laboratories|Hospice|Home Care".split(
    "|"
)
FIRM_TAILS = "Logistics|Plumbing|Steel|Foods|Construction|Trucking|Industries|Manufacturing|Inc|Inc.|LLC|Ltd|Corp|Group|Partners|Bank|Airlines|Motors|Electric|Insurance|Law Firm|Accounting|Catering|Bakery|Farms|Textiles|Systems|Technologies|Hardware|Supermarket|Stores|Hotel|Realty|Sons|Brothers|Roofing|Security|Cleaning Services|Auto Body|Consulting|Software|Energy|Packaging|and Sons|Holdings|Freight".split(
    "|"
)
SCHOOL_TAILS = "Elementary|Elementary School|High School|Middle School|Academy|University|College|Community College|Preschool|Primary School|Kindergarten|School|State University|Prep|School for the Deaf|Day School".split(
    "|"
)
PLACE_TAILS = "Park|Church|Shelter|House|Mission|Library|Mall|Plaza|Correctional Facility|Apartments|Towers|Village|Heights|Beach|Mosque|Temple|Community Center|Food Bank|Motel|Trailer Park|Campground|Square|Bridge|Station|Prison|Stadium|YMCA|Gardens|Court|Diner|Airport|Bay|Hills|Farm".split(
    "|"
)
FOREIGN_STREETS = ("rue {}", "Via {}", "Calle {}", "Avenida {}", "{}straße", "{}strasse", "{}weg", "Rua {}", "{}gatan", "ul. {}", "Jalan {}", "Place {}", "{} utca", "{}laan", "Plaza {}", "Avenue {}", "{}vej", "{} Marg")  # fmt: skip
CODES = "ABCDEFGHJKLMNPRSTUVWXYZ"
EPONYMS = "Crohn's disease|Parkinson's disease|Foley catheter|Babinski sign|lactated Ringer's|Hashimoto thyroiditis|Bell's palsy|Graves disease|Hodgkin lymphoma|Wilson disease|Baker's cyst|Cushing syndrome|Addison's disease|Raynaud phenomenon|Sjogren syndrome|Murphy's sign|McBurney's point|Barrett's esophagus|Dupuytren contracture|Tinel sign|Phalen test|Lachman test|Romberg negative|Glasgow Coma Scale|Apgar 8 and 9|Doppler|Swan-Ganz catheter|Kocher incision|Jackson-Pratt drain|Penrose drain|Steri-Strips|Allen test|Trendelenburg gait|Guillain-Barre syndrome|Charcot foot|Kussmaul respirations|Mallory-Weiss tear|Meckel diverticulum|Wernicke encephalopathy|Alzheimer disease|Huntington disease|Lewy body dementia|Marfan syndrome|Ehlers-Danlos|Turner syndrome|Down syndrome|Kaposi sarcoma|Ewing sarcoma|Whipple procedure|Billroth II|Roux-en-Y|Nissen fundoplication|Hartmann procedure|Mohs surgery|Epley maneuver|Dix-Hallpike|Valsalva|Gleason 3+4|Breslow depth|Clark level IV|Child-Pugh B|Ranson criteria|Wells score|Duke criteria|Kernig and Brudzinski|Hoffmann sign|Spurling test|Colles fracture|Salter-Harris II|Bennett fracture|Osgood-Schlatter|Peyronie disease|Meniere disease|Still's disease|Stevens-Johnson syndrome|Paget disease|Tourette syndrome|Chvostek sign|Virchow node|Bartholin cyst|Braxton Hicks|Leopold maneuvers|Moro reflex|Gram stain|Papanicolaou|Hickman line|Broviac|Bovie cautery|Mayfield clamp|Hemovac|Holter monitor|Snellen chart|Schirmer test|Amsler grid|Likert|Fitzpatrick type III|Wood's lamp|Koebner|Nikolsky negative|Heimlich|Morse Fall Scale|Braden score|Norton scale|Katz ADL|Barthel index".split(
    "|"
)
EPONYM_HEADS = "sign|sign|reflex|reflex|test|score|score|Score|scale|Scale|index|Index|criteria|Criteria|disease|disease|Disease|syndrome|syndrome|Syndrome|maneuver|procedure|operation|repair|catheter|drain|tube|bag|line|classification|grade|stage|staging|fracture|palsy|phenomenon|triad|law|node|cell|bodies|space|pouch|ligament|canal|stain|agar|solution|hernia|ulcer|chorea|ataxia|dystrophy|anomaly|malformation|position|forceps|clamp|retractor|stent|filter|valve|graft|nevus|purpura|nephritis|arteritis|cardiomyopathy|respirations|breathing|pulse|murmur|formula|equation|method|technique|protocol|regimen|trial|Trial|Study|splint|collar|boot|bandage|rule|tear|contracture|cyst|neuroma|tumor|lymphoma|sarcoma|carcinoma|lesion|angina|aphasia|approach|incision|block|questionnaire|inventory|Inventory|exam|Examination|encephalopathy|esophagus|thyroiditis|factor".split(
    "|"
)
DRUG_ENDINGS = "mab|nib|pril|sartan|olol|statin|prazole|gliptin|gliflozin|tide|cillin|mycin|floxacin|azole|vir|parin|xaban|pine|done|pam|lam|ine|ol|one|ium|ex|ra|ta|va|zia|ity|is|or|an|yl".split(
    "|"
)
DIAGNOSES = "pneumonia|congestive heart failure|COPD exacerbation|type 2 diabetes mellitus|hypertension|atrial fibrillation|sepsis|cellulitis|acute kidney injury|urinary tract infection|hypothyroidism|GERD|asthma|migraine|depression|generalized anxiety disorder|osteoarthritis|breast cancer|prostate cancer|deep vein thrombosis|pulmonary embolism|NSTEMI|stroke|seizure disorder|cirrhosis|pancreatitis|cholelithiasis|appendicitis|diverticulitis|anemia|gout|rheumatoid arthritis|lupus|psoriasis|multiple sclerosis|dementia|delirium|alcohol use disorder|opioid use disorder|PTSD|bipolar disorder|CKD stage 3|ESRD on HD|hyperlipidemia|obesity|OSA|melanoma|lymphoma|spinal stenosis|rotator cuff tear|hip fracture|glaucoma|cataract|macular degeneration|preeclampsia|gestational diabetes|otitis media|croup|RSV bronchiolitis|HIV|hepatitis C|tuberculosis|Lyme disease|COVID-19".split(
    "|"
)
PROCEDURES = "colonoscopy|EGD|left heart catheterization|CABG x3|total knee arthroplasty|laparoscopic cholecystectomy|appendectomy|lumbar puncture|bronchoscopy|thoracentesis|paracentesis|MRI brain w/wo contrast|CT abdomen and pelvis|chest x-ray|echocardiogram|cesarean section|hysterectomy|mastectomy|skin biopsy|cataract extraction|dialysis|pacemaker placement|ERCP|carotid endarterectomy|PICC placement|tracheostomy|PEG placement|cystoscopy|TURP|arthroscopy".split(
    "|"
)
ORGANISMS = "Escherichia coli|Klebsiella pneumoniae|Staphylococcus aureus|MRSA|Pseudomonas aeruginosa|Streptococcus pneumoniae|Enterococcus faecalis|Clostridioides difficile|Candida albicans|Proteus mirabilis|Haemophilus influenzae|Acinetobacter baumannii|Serratia marcescens|Mycobacterium tuberculosis|Borrelia burgdorferi|Helicobacter pylori|Aspergillus fumigatus|Neisseria gonorrhoeae".split(
    "|"
)
LABS = "Na|K|Cl|CO2|BUN|Cr|Glucose|WBC|Hgb|Hct|Plt|INR|PTT|AST|ALT|Alk phos|T bili|Albumin|Lactate|Troponin|BNP|TSH|HbA1c|CRP|ESR|Ferritin|Mg|Phos|Ca|LDL|HDL|PSA|CK|Lipase|Procalcitonin|D-dimer".split(
    "|"
)
SCORES = "GCS 15|5/5|4/5 strength|T3N1M0|NYHA class III|ASA II|ECOG 1|CHADS2-VASc 4|MELD 18|PHQ-9 14|GAD-7 9|MMSE 26/30|MoCA 22/30|NIHSS 4|Gleason 4+3=7|stage IIIB|pain 7/10|Mallampati II|APACHE II 18|HEART score 5|grade 2/6|BI-RADS 4|KPS 70|AUDIT-C 6|Apgars 8/9|LACE 11|qSOFA 1".split(
    "|"
)
DOSES = "5 mg PO BID|10 mg daily|1 g IV q24h|500 mg PO q8h|40 mg IV BID|2 puffs q4h prn|20 units SC qHS|0.5 mg IV q2h prn pain|650 mg q6h prn|81 mg daily|100 mcg PO qAM|25 mg TID|1 tab qhs|4 mg ODT|2 L NC|15 mL/hr|1,000 mg|5000 units SQ TID|0.1 mg/kg|300 mg/5 mL".split(
    "|"
)
FAMOUS_BRANDS = "Tylenol Advil Lasix Lipitor Zoloft Prozac Norco Percocet Zosyn Keflex Lantus Humalog Novolog Eliquis Xarelto Plavix Coumadin Synthroid Protonix Nexium Zofran Ativan Xanax Klonopin Seroquel Zyprexa Abilify Lexapro Wellbutrin Neurontin Lyrica Keppra Dilantin Depakote Ambien Flomax Proscar Viagra Humira Enbrel Remicade Rituxan Keytruda Opdivo Ozempic Trulicity Jardiance Farxiga Januvia Entresto Toprol Coreg Norvasc Diovan Cozaar Zocor Crestor Zetia Singulair Advair Symbicort Spiriva Flonase Zyrtec Claritin Benadryl Mucinex Robitussin Pepcid Miralax Colace Senokot Dulcolax Imodium Bactrim Cipro Levaquin Augmentin Zithromax Doxy Flagyl Diflucan Valtrex Tamiflu Rocephin Ancef Vancomycin Heparin Lovenox".split()


class Values:
    """Draws a value for each kind of slot; one person stays the same through a block."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        names = entries()
        self.surnames = self._by_frequency(names, "surname")
        self.firsts = self._by_frequency(names, "first")
        self.cities = [word for word, entry in names.items() if entry.place in (2, 3) and len(word) > 3 and entry.english < 6]
        self.small = [word for word, entry in names.items() if entry.place == 1 and len(word) > 3 and entry.english < 5]
        self.drugs = [word for word, entry in names.items() if "d" in entry.flags and len(word) > 4 and entry.english < 4]
        self.common = [word for word, entry in names.items() if entry.english >= 4 and entry.capital == 1 and len(word) > 3]

    @staticmethod
    def _by_frequency(names: dict[str, Entry], column: str) -> tuple[list[str], list[float]]:
        chosen = [(word, getattr(entry, column)) for word, entry in names.items() if getattr(entry, column) and len(word) > 1]
        share: dict[int, int] = defaultdict(int)
        for _, level in chosen:
            share[level] += 1
        # Every level gets about the same weight, so that rare and foreign names are not drowned by Smith.
        return [word for word, _ in chosen], list(accumulate(1.0 / share[level] for _, level in chosen))

    def listed(self, names: tuple[list[str], list[float]]) -> str:
        """A name from a list, the frequent ones more often."""
        return names[0][bisect(names[1], self.random.random() * names[1][-1])]

    @cached_property
    def _chain(self) -> dict[str, list[str]]:
        chain: dict[str, list[str]] = defaultdict(list)
        for word in self.surnames[0] + self.firsts[0]:
            padded = "^^" + word + "$"
            for place in range(len(padded) - 2):
                chain[padded[place : place + 2]].append(padded[place + 2])
        return chain

    def invented(self) -> str:
        """A name that no list holds, in all likelihood."""
        while True:
            word = "^^"
            while word[-1] != "$" and len(word) < 14:
                word += self.random.choice(self._chain[word[-2:]])
            if len(word.strip("^$")) >= 4:
                return word.strip("^$")

    def pick(self, options: list[str] | tuple[str, ...]) -> str:
        return self.random.choice(options)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def digits(self, pattern: str) -> str:
        """A code: 9 a digit, A a capital, 8 a digit from 1 on, h a hexadecimal digit; all else as it is."""
        draw = self.random.choice
        table = {"9": "0123456789", "A": CODES, "8": "123456789", "h": "0123456789abcdef"}
        return "".join(draw(table[mark]) if mark in table else mark for mark in pattern)

    # people
    def first(self) -> str:
        if self.chance(0.15):
            return self.invented().capitalize()
        name = self.listed(self.firsts).capitalize()
        if self.chance(0.03):
            name += "-" + self.listed(self.firsts).capitalize()
        return self._accent(name)

    def last(self) -> str:
        name = self.invented() if self.chance(0.15) else self.listed(self.surnames)
        name = name.capitalize()
        roll = self.random.random()
        if name.startswith("Mc") and len(name) > 4:
            name = "Mc" + name[2:].capitalize()
        elif roll < 0.03:
            name = self.pick(("O'", "O’", "D'")) + name
        elif roll < 0.06:
            name = name + "-" + self.listed(self.surnames).capitalize()
        elif roll < 0.085:
            name = (
                self.pick(("de ", "van ", "de la ", "von ", "Al-", "al-", "Van ", "De ", "El-", "bin ", "St. ", "di ", "Mac"))
                + name
            )
        return self._accent(name)

    def _accent(self, name: str) -> str:
        if self.chance(0.04):
            pair = self.pick(("eé", "aá", "oö", "uü", "ií", "nñ", "oó", "cç", "aã"))
            return name[0] + name[1:].replace(pair[0], pair[1], 1)
        return name

    def person(self) -> tuple[str, str, str]:
        """First name, middle initial (often empty), last name."""
        return self.first(), self.random.choice(CODES) if self.chance(0.2) else "", self.last()

    def name(self, kind: str, who: tuple[str, str, str]) -> str:  # noqa: PLR0911
        first, middle, last = who
        dot = self.pick((".", "."))
        if kind == "NAME":
            if self.chance(0.04):
                return f"{first} {last} {self.listed(self.surnames).capitalize()}"
            return f"{first} {middle}{dot} {last}" if middle else f"{first} {last}"
        if kind == "LAST_FIRST":
            comma = self.pick((", ", ", ", ",", ", "))
            return f"{last}{comma}{first}" + (f" {middle}{self.pick(('.', ''))}" if middle else "")
        if kind == "INITIAL_LAST":
            return f"{first[0]}{self.pick(('. ', '. ', '.', ' '))}{last}"
        if kind == "FIRST_INITIAL":
            return f"{first} {last[0].upper()}{self.pick(('.', '.', ''))}"
        if kind == "INITIALS":
            return self.pick((f"{first[0]}{last[0]}", f"{first[0]}.{last[0]}.", f"{first[0]}{middle or 'M'}{last[0]}")).upper()
        return first if kind == "FIRST" else last

    # places
    def city(self) -> str:
        roll = self.random.random()
        if roll < 0.1:
            return self.invented().capitalize()
        base = self.pick(self.cities if roll < 0.7 else self.small).capitalize()
        if roll > 0.86:
            return self.pick(("San {}", "New {}", "Port {}", "{} Springs", "Lake {}", "{} Falls", "St. {}", "Fort {}", "{} City", "North {}", "{} Beach", "Mount {}", "{}ville", "{}-on-Sea", "El {}", "Santa {}", "West {}", "{} Park", "{} Heights")).format(base)  # fmt: skip
        return base

    def street(self) -> str:
        number = self.digits(self.pick(("89", "899", "8999", "89999", "8")))
        word = self.pick((self.last(), self.pick(NATURE), self.pick(NATURE) + self.pick(("", "wood", "view", "side", "dale")), self.city(), self.first(), self.digits("8") + "th", self.pick(MONTHS), self.pick(self.common).capitalize()))  # fmt: skip
        if self.chance(0.12):
            return self.pick((f"{self.pick(FOREIGN_STREETS).format(self.last())} {number}", f"{self.digits('899')} {self.pick(FOREIGN_STREETS).format(self.last())} {self.digits('89')}", f"{self.digits('899')} {number} {self.last()} {self.pick(STREETS[:30])}", f"{number} {self.pick(FOREIGN_STREETS).format(self.last())}"))  # fmt: skip
        compass = self.pick(("N ", "South ", "W. ", "NE ")) if self.chance(0.12) else ""
        flat = (
            self.pick((", Apt 4B", " Apt. 312", " Suite 451", ", Unit 7", " #3", ", Suite 200", ", Flat 2", "\nSuite 12"))
            if self.chance(0.2)
            else ""
        )
        return f"{number} {compass}{word} {self.pick(STREETS[:30] if self.chance(0.6) else STREETS)}{self.pick(('', '', '.'))}{flat}"

    def hospital(self) -> str:
        roll = self.random.random()
        if roll < 0.1:
            return self.digits(self.pick(("AAA", "AAAA", "AAAH"))).replace("9", "")
        base = self.pick((f"St. {self.pick(SAINTS)}'s", f"Saint {self.pick(SAINTS)}", f"St {self.pick(SAINTS)}", self.last(), self.city(), self.city(), self.pick(NATURE) + self.pick(("side", "view", " Valley", " Ridge", "crest")), "Mercy", "Good Samaritan", "Sacred Heart", "Providence", f"{self.city()} {self.pick(('General', 'Memorial', 'Regional', 'Community', 'County'))}", f"{self.last()} Memorial", "Mount " + self.city(), "Our Lady of " + self.city(), "Holy Cross", "Trinity", "Veterans Affairs " + self.city()))  # fmt: skip
        if roll < 0.14:
            return f"University of {self.city()}{self.pick(('', ' Medical Center', ' Hospital'))}"
        return f"{base} {self.pick(HOSPITAL_TAILS)}" if roll < 0.94 else base

    def company(self, tails: list[str]) -> str:
        base = self.pick((self.last(), self.last(), self.city(), self.pick(NATURE) + self.pick((" ", "")) + self.pick(NATURE).lower(), self.pick(self.common).capitalize(), self.pick(NATURE)))  # fmt: skip
        roll = self.random.random()
        if tails is FIRM_TAILS and roll < 0.2:
            return self.pick((f"{self.last()} & {self.last()}", f"{self.last()}, {self.last()} and {self.last()}", f"{self.last()}-{self.last()}", self.last(), self.invented().capitalize(), self.digits("AAA")))  # fmt: skip
        if tails is PLACE_TAILS and roll < 0.15:
            return f"St. {self.pick(SAINTS)}'s {self.pick(('Church', 'House', 'Parish', 'Home'))}"
        return f"{base} {self.pick(tails)}"

    def eponym(self) -> str:
        """A sign, score, disease or device that is called after somebody."""
        who = self.last() if self.chance(0.7) else f"{self.last()}-{self.last()}"
        if self.chance(0.12):
            who = f"{who}-{self.last()}"
        return f"{who}{self.pick(('', '', chr(39) + 's'))} {self.pick(EPONYM_HEADS)}"

    # time
    def date(self, style: str) -> str:
        year, month, day = self.random.randint(1935, 2029), self.random.randint(1, 12), self.random.randint(1, 28)
        name = MONTHS[month - 1]
        short = name[:3]
        ordinal = f"{day}{'st' if day % 10 == 1 and day != 11 else 'nd' if day % 10 == 2 and day != 12 else 'rd' if day % 10 == 3 and day != 13 else 'th'}"
        forms = {
            "iso": (f"{year}-{month:02}-{day:02}",),
            "slash": (f"{month}/{day}/{year % 100:02}", f"{month:02}/{day:02}/{year}", f"{month}/{day}/{year}", f"{month:02}-{day:02}-{year}", f"{month:02}/{day:02}/{year % 100:02}"),
            "short": (f"{month}/{day}", f"{month:02}/{day:02}"),
            "long": (f"{name} {day}, {year}", f"{day} {name} {year}", f"{short} {day}, {year}", f"{name} {ordinal}, {year}", f"{short}. {day} {year}"),
            "daymonth": (f"{day} {name}", f"{name} {ordinal}", f"{ordinal} of {name}", f"{name} {day}", f"{short} {day}", f"the {ordinal} of {name}"),
            "": (f"{day:02}-{short}-{year}", f"{day:02}.{month:02}.{year}", f"{day}-{short}-{year % 100:02}", f"{day:02}{short.upper()}{year}", f"{year}/{month:02}/{day:02}", f"{day} {short} {year}", f"{short.upper()} {day} {year}", f"{day}/{month}/{year}"),
        }  # fmt: skip
        chosen = forms[style] if style else [form for some in forms.values() for form in some]
        return self.pick(list(chosen))

    def value(self, kind: str, style: str) -> str:  # noqa: PLR0911, PLR0912 (a table of kinds)
        """What fills a slot that is no person."""
        area = f"{self.random.randint(201, 989)}"
        line = f"{self.random.randint(200, 999)}-{self.digits('9999')}"
        if kind in ("EMAIL", "URL", "USERNAME"):
            local, domain = self._local(), self._domain()
        else:
            local = domain = ""
        simple: dict[str, tuple[str, ...]] = {
            "ZIP": ("99999", "99999", "99999-9999"),
            "PHONE": (f"({area}) {line}", f"{area}-{line}", f"{area}.{line.replace('-', '.')}", f"+1 {area} {line.replace('-', ' ')}", line, f"{area}{line.replace('-', '')}", "+44 7999 999999", "09999 999999", "+91 99999 99999", f"1-{area}-{line}", f"({area}){line} x999", f"{area} {line}", "+27 82 999 9999", "04 9999 9999"),
            "PAGER": ("99999", "9999", "999999", "89-9999", "x9999", "9999999"),
            "FAX": (f"({area}) {line}", f"{area}-{line}", f"{area}.{line.replace('-', '.')}", line, "01999 999999"),
            "SSN": ("999-99-9999", "999-99-9999", "999 99 9999", "999999999", "xxx-xx-9999", "***-**-9999"),
            "SSN4": ("9999",),
            "MRN": ("8999999", "99999999", "899999", "999-99-99", "A9999999", "AA999999", "9999-9999", "M99999", "89999", "999 999 9999", "MR-999999", "99-99-99", "E8999999999", "AB/9999/99"),
            "HEALTH_PLAN": ("AAA999999999", "9A99-AA9-AA99", "W999999999", "999999999A", "XYZ9999999", "99999999-99", "H9999-999", "9999999999", "AA 99 99 99 A", "1EG4-TE5-MK73", "GRP-999999"),
            "ACCOUNT": ("9999999999", "999999-99", "AC-99999999", "4999 9999 9999 9999", "4999999999999999", "GB99AAAA99999999999999", "999-999999-9", "V999999999", "5999-9999-9999-9999", "DE99 9999 9999 9999 9999 99", "99999999"),
            "LICENSE": ("A9999999", "MD-99999", "999999", "AA-999999", "RN999999", "S999-9999-9999", "99999-AA", "PT 99999", "D99999999", "9999999"),
            "NPI": ("1999999999",),
            "DEA": ("AA9999999", "BA9999999", "FA9999999"),
            "VIN": ("8AAAA99A9AA999999", "1AA99A9A9AA999999"),
            "PLATE": ("AAA 9999", "AAA-9999", "9AAA999", "AA99 AAA", "AAA999", "99-AAA-9", "A99 AAA"),
            "DEVICE": ("AAA999999A", "SN99999999", "PJN9999999", "A99-9999-99", "999999-999", "AA-99999-A", "9999A99999", "RNA999999H", "99A9999", "(01)99999999999999(21)A99999", "LOT A9999", "8999999"),
            "URL": (f"https://www.{domain}/p/9999", f"http://{self.invented()}.org/id?pt=99999", f"www.{domain}", f"https://portal.{domain}/visit/hhhh9999", f"{domain}/{local}", f"facebook.com/{local}"),
            "IP": ("10.89.89.89", "192.168.8.89", "89.189.8.119", "2001:db8:hhhh:hhhh::h", "172.16.89.8", "fe80::hhhh:hhhh:hhhh:hhhh", "10.8.8.89:8443"),
            "BIOMETRIC": ("FP-99999999", "BIO99999", "hhhhhhhhhhhh", "VP-9999-99", "IRIS-hhhh-9999", "RT_999999", "TMPL 99999"),
            "PHOTO": ("IMG_9999.jpg", "DSC99999.JPG", "photo_9999.png", "face-99.jpeg", "P99999", "wound_9999_2.jpg", "IMG-99999999-WA9999.jpg"),
            "ID": ("S99-99999", "99-AA-99999", "A9999999", "999999999", "ACC99999999", "AB-9999", "9999999", "H999999", "99999", "ENC999999", "99:AA9999A", "NCC-9999-99", "9999-99-999", "EXP99A9999", "Q9999999", "B99.9999", "E-99999", "AAA-999-9999", "SP99-9999", "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh"),
            "USERNAME": (f"{local[:1]}{local.split('.')[-1]}", f"{local}99", f"{local[:6]}99", local, "u99999", f"{local[:5].upper()}9"),
            "TIME": ("08:99", "1899", "14:30", "7:45 AM", "0630", "3pm", "21:15", "10:05:33", "8 a.m.", "noon"),
            "YEAR": ("2019", "1998", "2023", "2015", "2009", "1987", "2021"),
            "NUM": ("8", "3", "12", "89", "two", "six", "2.5", "120", "45"),
            "AGE": ("89",), "AGE90": ("99",),
        }  # fmt: skip
        if kind in simple:
            if kind == "AGE90":
                return str(self.random.randint(90, 104))
            if kind in ("AGE",):
                return str(self.random.randint(1, 89))
            if kind in ("YEAR", "NUM"):
                return self.pick(simple[kind])
            if kind == "TIME":
                return self.pick((f"{self.random.randint(0, 23):02}:{self.random.randint(0, 59):02}", f"{self.random.randint(0, 23):02}{self.random.randint(0, 59):02}", *simple[kind][2:]))  # fmt: skip
            pattern = self.pick(simple[kind])
            return pattern if kind in ("URL", "USERNAME") and "9" not in pattern else self._fill(pattern, kind)
        if kind == "EMAIL":
            return f"{local}{self.pick(('', '', '7', '82'))}@{domain}"
        tables = {"DRUG": None, "DX": DIAGNOSES, "PROC": PROCEDURES, "ORGANISM": ORGANISMS, "SCORE": SCORES, "DOSE": DOSES, "COUNTRY": COUNTRIES, "STATE": STATES}  # fmt: skip
        if kind in tables and (table := tables[kind]):
            return self.pick(table)
        number = self.random.randint
        if kind == "EPONYM" and self.chance(0.65):
            return self.eponym()
        if kind == "EPONYM":
            return self.pick(EPONYMS)
        if kind == "DRUG" and self.chance(0.08):
            return (self.invented()[:6] + self.pick(DRUG_ENDINGS)).capitalize()
        if kind == "DRUG":
            drug = self.pick(FAMOUS_BRANDS) if self.chance(0.4) else self.pick(self.drugs)
            return drug if self.chance(0.5) else drug.capitalize()
        if kind == "LAB":
            return f"{self.pick(LABS)}{self.pick((' ', ' ', ': ', ' of ', ' = '))}{self.pick((str(number(1, 400)), f'{number(1, 20)}.{number(0, 9)}'))}"
        if kind == "VITAL":
            return self.pick((f"BP {number(90, 190)}/{number(45, 110)}", f"HR {number(45, 140)}", f"T {number(96, 103)}.{number(0, 9)}", f"RR {number(10, 32)}", f"SpO2 {number(84, 100)}% RA", f"O2 sat {number(84, 100)}%", f"Temp {number(36, 39)}.{number(0, 9)} C", f"Wt {number(45, 130)} kg"))  # fmt: skip
        if kind == "SEX_AGE":
            age = number(1, 89)
            return self.pick((f"{age}M", f"{age}F", f"{age} yo male", f"{age}-year-old woman", f"{age} y/o M", f"{age}yo F", f"{age} year old man", f"{age} y.o. female"))  # fmt: skip
        places: dict[str, Callable[[], str]] = {"CITY": self.city, "STREET": self.street, "HOSPITAL": self.hospital, "COUNTY": self.city, "CLINIC": lambda: self.company(CLINIC_TAILS), "EMPLOYER": lambda: self.company(FIRM_TAILS), "SCHOOL": lambda: self.company(SCHOOL_TAILS), "PLACE": lambda: self.company(PLACE_TAILS)}  # fmt: skip
        if kind in places:
            return places[kind]()
        if kind == "MONTH":
            return self.pick(MONTHS)
        if kind == "MONTH_YEAR":
            return self.pick((f"{self.pick(MONTHS)} {number(1990, 2026)}", f"{self.pick(MONTHS)[:3]} {number(2000, 2026)}", f"{number(1, 12):02}/{number(1990, 2026)}", f"{self.pick(MONTHS)} of {number(2005, 2026)}", f"{self.pick(MONTHS)[:3]} '{number(10, 26)}"))  # fmt: skip
        return self.date(style if style in ("iso", "slash", "short", "long", "daymonth") else "")

    def _local(self) -> str:
        """What stands before the @ of an address."""
        return re.sub("[ '’]", "", f"{self.first().lower()}{self.pick(('.', '_', ''))}{self.last().lower()}")

    def _domain(self) -> str:
        return self.pick(("gmail.com", "yahoo.com", "hotmail.co.uk", "mail.org", self.invented() + ".com", self.invented() + ".org", self.invented() + "health.net", "outlook.com"))  # fmt: skip

    def _fill(self, pattern: str, kind: str) -> str:
        """The pattern with its digits drawn, and its letters too where it holds no words."""
        words = kind in ("URL", "USERNAME", "PHOTO", "BIOMETRIC", "TIME")
        if words or "hh" in pattern or pattern[:3] in ("IMG", "DSC", "ACC", "ENC", "EXP", "LOT", "GRP", "PJN", "RNA"):
            table = {"9": "0123456789"} | ({} if kind in ("URL", "USERNAME") else {"h": "0123456789abcdef"})
            return "".join(self.random.choice(table[mark]) if mark in table else mark for mark in pattern)
        return self.digits(pattern)
