"""The context in which names and places stand: RE2 patterns that end where the name begins, and what places are called.

Written from what clinical notes usually say; 45 CFR 164.514(b)(2)(i)(A) and (B).
"""

# ruff: noqa: E501, SIM905 (tables: a line a family)
import re2

_LOWER_ONLY = re2.Options()
_LOWER_ONLY.case_sensitive = False

TITLES = frozenset(
    "mr mrs ms mx miss dr dres drs prof professor doctor rev reverend rabbi pastor sgt capt judge hon sr sra srta".split()
)
DEGREES = frozenset(
    "md do rn np pa phd dds dmd pharmd lpn lcsw msw facp facs mbbs crna fnp aprn bsn dpm od psyd msn dpt cna pac esq jr sr ii iii iv mph ms cnm".split()
)
# What a person is to the patient, or does in the hospital: a name may follow.
ROLES = frozenset(
    "wife husband son daughter mother father brother sister uncle aunt niece nephew cousin spouse partner fiance fiancee fiancé fiancée girlfriend boyfriend "
    "grandmother grandfather grandson granddaughter stepson stepdaughter stepmother stepfather friend neighbor neighbour roommate guardian caregiver caretaker "
    "mom dad mum grandma grandpa proxy kin sibling twin parent named called interpreter worker nurse therapist pharmacist chaplain surgeon physician "
    "hospitalist resident intern fellow attending provider cardiologist oncologist neurologist psychiatrist radiologist pathologist dietitian pt patient pcp "
    "coordinator manager aide officer attorney lawyer boss coworker employer teacher sitter son-in-law daughter-in-law baby infant nurse midwife doctor "
    "gentleman lady woman man male female boy girl signature surrogate hcp per".split()
)
# After these any capitalised word that is not clinical is a name, be it as common as "Contractor".
_PEOPLE = (
    r"\b(?:seen|examined|signed|cosigned|co-signed|reviewed|dictated|performed|evaluated|interpreted|read|verified|authenticated|transcribed|accompanied|referred|followed|assisted"
    r"|ordered|authorized|attested|staffed|prepared|written|entered|completed|supervised|brought in|cared for|spoke|consulted|paged|notified|assigned|conducted|done|witnessed"
    r"|discussed|follow(?:ed)?[- ]up|appointment|appt)(?: (?:electronically|in clinic|today|at length|this case|the case|the plan|plan|results|findings)){0,1} (?:by|with|under)[ :]{1,3}(?:and )?(?:the )?"
    r"|(?:^|[\n.;|,\t(])[ \t]*(?:re|cc|attn|attending|physician|provider|pcp|surgeon|assistant|anesthesiologist|resident|consultant|pathologist|radiologist|therapist|nurse"
    r"|(?:patient|pt|first|last|full|middle|maiden|given|family|legal|preferred)?['’]?s?[ \t]?names?|surname|patient|pt|dear|author|signed|dictated|attested|signature"
    r"|(?:referring|attending|ordering|primary|consulting|treating|operating|admitting|discharging)[ \t](?:physician|provider|md|doctor|surgeon)|next of kin|nok|guarantor|emergency contact"
    r"|rn|np|lpn|md|do|pa|cna|ma|proxy|(?:seen|signed|dictated|reviewed|electronically signed)[ \t]by|mother|father|spouse|contact)[ \t]*[:=#][ \t]*"
    r"|\bdear (?:dr\.? |mr\.? |mrs\.? |ms\.? )?|\bnames? (?:is|was) |\b(?:also known as|a\.?k\.?a\.?|née|formerly known as|on behalf of|goes by|my name is|i am|i'm|under the care of) "
)
# After these a capitalised word that is neither clinical nor upper case is a place.
_PLACES = (
    r"\b(?:lives?|living|lived|resid(?:es?|ing|ent of)|born|raised|grew up|moved|relocated|travel(?:led|ed|s|ing)?|visit(?:ed|ing)?|vacation(?:ed|ing)?|flew|native of"
    r"|transferred|hospitalized|treated|admitted|imprisoned|stationed|deployed|works?|working|worked|employed|retired|attends?|enrolled|student|immigrated|emigrated)"
    r"(?: (?:recently|previously|currently|back|up|out|as an? [a-z]{1,20}))?(?: (?:to|in|at|from|near|of|for|with|by|outside))? (?:the )?"
    r"|\b(?:city|town|hometown|address|birthplace|county|employer|residence|facility|hospital|school|parish|village|workplace|company|location)[ \t]*[:=][ \t]*"
    r"|\b(?:in|at|near|from) "
)
PEOPLE = re2.compile(_PEOPLE, _LOWER_ONLY)
PLACES = re2.compile(_PLACES, _LOWER_ONLY)

_CAP = r"\p{Lu}[\p{L}\p{N}_'’-]*"
_STREETS = (
    "Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Circle|Cir|Place|Pl|Way|Terrace|Ter|Parkway|Pkwy|Highway|Hwy|Trail|Trl|Square|Sq|Loop|Crescent"
    "|Row|Alley|Plaza|Pike|Route|Rte|Walk|Turnpike|Expressway|Freeway|Crossing|Broadway"
)
# Group 1 is the place. Any capitalised words after a house number, up to a comma, a line's end or a flat, are a street.
STREET = (
    re2.compile(
        rf"\b(\d{{1,6}}[A-Za-z]?,? (?:[NSEW]\.? )?(?:(?:{_CAP}\.?|\d{{1,3}}(?:st|nd|rd|th)) ){{1,4}}?(?:{_STREETS})\.?(?:, {_CAP}(?: {_CAP})?)?)\b"
    ),
    re2.compile(
        rf"\b(\d{{2,6}} {_CAP}(?: {_CAP}){{1,3}})(?:,|\n|$|\.| in | with | and | near | (?:Suite|Ste|Apt|Unit|Apartment|#))"
    ),
    re2.compile(
        r"\b(\d{1,6}[a-z]? (?:[nsew]\.? )?(?:[a-z]+ ){1,2}(?:street|avenue|ave|road|rd|blvd|boulevard|lane|drive|court|terrace|parkway|hwy))\b",
        _LOWER_ONLY,
    ),
)
FACILITY = re2.compile(
    rf"\b((?:(?:St|Mt|Mount|Saint|Ft)\.? )?(?:{_CAP}\.?[ -](?:& |and |of |of the |for |de |la )?){{1,5}}"
    r"(?:Hospitals?|HOSPITAL|Clinics?|CLINIC|Center|CENTER|Centre|Institute|Infirmary|Sanatorium|Hospice|(?:Urgent|Primary|Memory|Family|Walk-[Ii]n) (?:Care|Clinic)|(?:[A-Z]{2,4} |Care )?Unit|Ward|(?:Health|Healthcare|Medical) (?:System|Group|Associates|Partners|Network|Services|Campus|Care)"
    r"|Healthcare|HealthCare|Health|University|College|School|Academy|Nursing Home|Nursing|Home|Rehab(?:ilitation)?|Pharmacy|Laboratories|Manor|Villa|Church|Elementary|Prison|Shelter|Inc|LLC|Ltd|Corp(?:oration)?"
    rf"|Company|Group|Bank|Hotel|Airport|Apartments|Industries|Associates|Partners|PLC|Foundation|Sons|Brothers)(?: of(?: {_CAP}){{1,3}})?)\b"
)
# In small letters: only after a preposition or alone on a line.
FACILITY_SMALL = re2.compile(
    r"(?:\b(?:at|from|to|of|in|location|facility):? |\n|^)((?:st\. )?(?:[a-z'’]{2,}[ -]){1,3}(?:hospital|medical center|clinic|urgent care|nursing home|hospice|health center))\b"
)
AREA = re2.compile(
    rf"\b((?:{_CAP} ){{1,3}}(?:County|Parish|Township|Borough|City|Heights|Beach|Springs|Falls|Village|Valley|Island))\b"
)
CITY = re2.compile(
    rf"\b({_CAP}(?: {_CAP}){{0,2}}),? (?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]|PR|GU|VI|AS|MP|FM|MH|PW)\b"
)
FIRM = re2.compile(rf"\b(?:at|for|by|with|from) ({_CAP}(?:, {_CAP}| {_CAP})? (?:and|&) {_CAP}|{_CAP}-{_CAP})\b")
INITIALS = re2.compile(
    r"\b(?:dictated|transcribed|typed|signed|dd|dt|d|t|by|initials?|md|ref)[ \t]*[:#-]?[ \t]*([A-Za-z]{2,3}[/:][A-Za-z]{2,3})\b",
    _LOWER_ONLY,
)
# Phrases whose words are safe together: states of two words, and what is named after nobody here.
KEEP = re2.compile(
    r"\b(?:(?:North|South) (?:Carolina|Dakota)|West Virginia|New (?:Hampshire|Jersey|Mexico)|Rhode Island|District of Columbia|Blue (?:Cross|Shield)|Gram[- ](?:stain|positive|negative)"
    r"|New York Heart Association|Glasgow Coma Scale|United States|U\.S\.A?\.?|Ivor Lewis|Beck Depression|Red Cross|Veterans Affairs|Fitzpatrick skin|Tylenol PM|Ringer['’]?s?)\b"
)
PARTICLES = frozenset(
    "de la le las los del della di da dos das du van von der den ter ten bin ibn al el abu ben mac mc st san santa".split()
)
FUNCTION = frozenset(
    "in on at of to is he we it no my if as by or an be do go so up us me am she the and for was had has his her not but who per dr mr mrs ms pt".split()
)
PLACE_PREFIXES = frozenset(
    "new port north south east west lake fort san santa los las mount mt st el la le saint upper lower ft del cape glen old".split()
)
# Clinical words that, before Hospital or Clinic, are a proper name all the same.
TELLING = frozenset(
    "st mt saint mount baptist methodist presbyterian lutheran adventist catholic jewish christian black white american western eastern northern southern nash".split()
)
