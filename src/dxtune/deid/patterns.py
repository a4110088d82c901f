"""The patterns of identifiers that have a form or a label. 45 CFR 164.514(b)(2)(i)(B)-(R); RE2 syntax, so always linear.

A pattern that starts with a label masks its group `v` only; one without a label masks all that it matches.
"""

# ruff: noqa: E501 (a table: a line a pattern)
_MONTH = r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
_MONTH_WORD = r"(?:january|february|april|june|july|august|september|october|november|december)"
_WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s{1,2}(?:the\s)?)?"
_YEAR = r"(?:19\d\d|20\d\d)"
_YEARISH = rf"(?:{_YEAR}|['’]\d\d|\d\d)"
_DAY = r"(?:[0-2]?\d|3[01])"
_ORDINAL = rf"{_DAY}(?:st|nd|rd|th)?"
_MM = r"(?:0?[1-9]|1[0-2])"
_CLOCK = r"(?:(?:T|,?\s{1,2}(?:at\s)?)\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?(?:\s?Z|\s?[+-]\d\d:?\d\d)?)?"
_WORD_ORDINAL = (
    r"(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|(?:thir|four|fif|six|seven|eigh|nine)teenth"
    r"|twentieth|thirtieth|(?:twenty|thirty)[- ](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth))"
)
_HOLIDAY = r"(?:christmas(?:\s(?:eve|day))?|thanksgiving(?:\sday)?|new\syear['’]s(?:\s(?:eve|day))?|(?:fourth|4th)\sof\sjuly|memorial\sday|labor\sday|veterans\sday|easter\ssunday|halloween)"
# Between a label and its value: a colon, "number", "is", ...
_LINK = r"(?:[\s:#.=()/*-]|\b(?:num(?:ber)?|nos?|nbr|id|is|was|of|on file|ending(?: in)?|code|with|listed as|recorded as|reads|the)\b)+?"
_VALUE = r"(?P<v>(?:[A-Z]{1,6}[.-]?)?[A-Z0-9]*\d[A-Z0-9]*(?:[-./ ]?[A-Z]*\d[A-Z0-9]*){0,6}(?:-[A-Z]{1,3}\b)?)"
_ONE_VALUE = r"(?P<v>(?:[A-Z]{1,4}[ -])?[A-Z0-9*-]*\d[A-Z0-9*]*(?:[-./][A-Z0-9*]+){0,6})"
_PLATE = _ONE_VALUE[:-1] + r"(?:[ -]\d{2,4})?)"
_PHONE = r"(?:\+?\d{1,3}[\s.-]?)?(?:\(\d{3}\)\s?|\d{3}[\s./-])\d{3}[\s.-]\d{4}(?:,?\s?(?:x|ext\.?|extension)\s?\d{1,6})?"

# In order of priority: the first kind whose pattern fits a candidate wins.
PATTERNS: dict[str, tuple[str, ...]] = {
    "EMAIL": (r"[\w.%+'-]+\s?@\s?[A-Z0-9-]+(?:\.[A-Z0-9-]+)+", r"[\w.%+-]+\s?(?:\(at\)|\[at\])\s?[A-Z0-9-]+(?:(?:\.|\s?(?:\(dot\)|\[dot\])\s?)[A-Z0-9-]+)+"),
    "URL": (
        r"(?:https?|ftps?)://[^\s<>\"]+[^\s<>\".,;:)\]]",
        r"\bwww\.[^\s<>\"]+[^\s<>\".,;:)\]]",
        r"\b(?:[A-Z0-9][A-Z0-9-]*\.){1,4}(?:com|org|net|edu|gov|info|biz|io|health|care|us|uk|co)\b(?:/[^\s<>\",;)\]]*)?",
    ),
    "IP": (
        r"\b(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5}|/\d{1,2})?\b",
        r"\b(?:[0-9A-F]{1,4}:){7}[0-9A-F]{1,4}\b",
        r"\b(?:[0-9A-F]{1,4}:){1,6}(?::[0-9A-F]{1,4}){1,6}\b",
        r"\b(?:[0-9A-F]{2}[:-]){5}[0-9A-F]{2}\b",
    ),
    "SSN": (
        r"\b[\dX*]{3}-[\dX*]{2}-\d{4}\b",
        r"[X*]{3}[- ]?[X*]{2}[- ]?\d{4}\b",
        r"\b\d{3} \d{2} \d{4}\b",
        rf"\b(?:ssn?|social(?:\ssecurity)?|soc\.?\ssec\.?|last\s(?:four|4)(?:\s(?:of\s)?(?:ssn|social))?){_LINK}(?P<v>[\dX*]{{3,9}}(?:[- .][\dX*]{{2,4}}){{0,2}})\b",
    ),
    "FAX": (
        rf"\b(?:fax|facsimile|telefax|f:)(?:{_LINK}|\s(?:to|at)\s)(?P<v>{_PHONE}|\d{{3}}[\s.-]\d{{4}}|\+?\d{{7,14}})\b",
    ),
    "PHONE": (
        rf"\b(?:ph(?:one)?|tel(?:ephone)?|cell(?:phone)?|mobile|call(?:ed)?|pager?|beeper|contact|reached|voicemail|text|extension|ext|x){_LINK}(?P<v>{_PHONE}|\d{{3}}[\s.-]\d{{4}}|x?\d{{4,7}}|\+?\d[\d\s.-]{{6,16}}\d)\b",
        r"\b(?:call(?:ed)?|page[rd]?|contact(?:ed)?|reached|phone|beeper|dial|text)(?:\s[a-z]{1,12}){0,2}\s(?:at|on|to|back)?\s?#?(?P<v>x?\d{4,7}|\d{3}[\s.-]\d{4})\b",
        rf"\(\d{{3}}\)\s?\d{{3}}[\s.-]\d{{4}}(?:,?\s?(?:x|ext\.?|extension)\s?\d{{1,6}})?|\b{_PHONE}\b|\+\d{{1,3}}(?:[\s.-]?\(?\d{{1,4}}\)?){{2,5}}\b",
        r"\b[2-9]\d{2}[-.]\d{4}\b",
        r"\b1?8(?:00|88|77|66|55)-[A-Z0-9]{3}-?[A-Z0-9]{4}\b",
        r"\bx\d{4,6}\b",
    ),
    "VEHICLE": (
        r"\b[A-HJ-NPR-Z0-9]{17}\b",
        rf"\b(?:vin|(?:licen[cs]e\s)?plates?|registration|tag|vehicle(?:\sid(?:entification)?)?){_LINK}{_PLATE}\b",
    ),
    "MRN": (
        rf"\b(?:mrn|mr#|mr\s#|m\.r\.n\.?|mr\s(?:no|num(?:ber)?)\.?|med(?:ical)?\.?\srec(?:ord)?s?|hospital\s(?:no|num(?:ber)?|id)|chart|patient\s(?:id|no|num(?:ber)?|identifier)|unit\s(?:no|num(?:ber)?)|record\s(?:no|num(?:ber)?|id)|epic\sid|nhs){_LINK}{_VALUE}\b",
    ),
    "HEALTH_PLAN": (
        rf"\b(?:medicare|medicaid|mbi|hicn?|(?:insurance|health\splan|plan|policy|member(?:ship)?|subscriber|beneficiary|group|payer|coverage)\s?(?:id|no|num(?:ber)?|#|card|policy)?){_LINK}{_VALUE}\b",
    ),
    "ACCOUNT": (
        rf"\b(?:acct|account|acc(?:ou)?nt|billing|invoice|iban|routing|bank|credit\scard|card|visa|mastercard|amex|guarantor|claim|har|csn|encounter|visit\s(?:id|no|num(?:ber)?)){_LINK}{_VALUE}\b",
        r"\b\d{4}[- ]\d{4}[- ]\d{4}[- ]\d{2,4}\b",
    ),
    "LICENSE": (
        rf"\b(?:dl|d\.l\.|driver['’]?s?['’]?\s(?:licen[cs]e|id)|licen[cs]e|lic|dea|npi|certificate|certification|cert|passport|state\sid|credential|upin|permit|medical\slicen[cs]e){_LINK}{_VALUE}\b",
    ),
    "DEVICE": (
        rf"\b(?:s/n|sn|serial|ser|model|lot|udi|device|implant|pacemaker|icd\sserial|generator|lead|ref){_LINK}(?P<v>[A-Z0-9]*\d[A-Z0-9]{{3,}}(?:[-/][A-Z0-9]+){{0,4}}|[A-Z]{{1,6}}[- ]?\d{{3,}}[A-Z0-9]*(?:[-/][A-Z0-9]+){{0,3}}|\(01\)[0-9()A-Z]{{6,}})\b",
    ),
    "BIOMETRIC": (
        rf"\b(?:finger\s?prints?|thumb\s?prints?|palm\s?prints?|retina(?:l)?(?:\sscan)?|iris(?:\sscan)?|voice\s?prints?|biometrics?|face\sid)(?:\s(?:id|scan|template|record|hash|sample|file|ref(?:erence)?|code)){{0,2}}{_LINK}(?P<v>[A-Z0-9_-]*\d[A-Z0-9_-]{{2,}})\b",
    ),
    "PHOTO": (
        r"\b[\w-]+\.(?:jpe?g|png|gif|tiff?|heic|bmp|dcm)\b",
        rf"\b(?:photo(?:graph)?s?|image|picture|full[- ]face)(?:\s(?:id|file|no|number|ref|of\sface|stored|as)){{0,3}}{_LINK}(?P<v>[A-Z0-9_-]*\d[A-Z0-9_-]{{3,}}(?:\.(?:jpe?g|png|gif|tiff?|heic|bmp|dcm))?)\b",
    ),
    "ID": (
        rf"\b(?:specimen|accession|acc|pathology|path|sample|requisition|req|order|study|trial|subject|case|reference|ref|confirmation|ticket|badge|employee|barcode|tracking|prescription|rx|job|bed|room|locker|student|ein|tax)\s?(?:id|no|num(?:ber)?|#|accession)?{_LINK}(?P<v>[A-Z]{{0,4}}[- ]?[A-Z0-9]*\d{{4,}}[A-Z0-9]*(?:[-/][A-Z0-9]+){{0,3}}|[A-Z]{{1,3}}\d{{2}}-\d{{3,}})\b",
        r"\b[A-Z]*\d+[A-Z]+\d+[A-Z]+\d[A-Z0-9]*\b",
        r"\b[A-F0-9]{8}-[A-F0-9]{4}-[A-F0-9]{4}-[A-F0-9]{4}-[A-F0-9]{12}\b",
    ),
    "AGE": (
        r"\bage[ /]+(?:sex|gender)[ :]{1,3}(?P<v>9\d|1[0-3]\d)\b",
        r"\b(?P<v>9\d|1[0-3]\d)(?:\s?/\s?[MF]\b|[\s-](?:years|yrs)\b)",
        r"\b(?:aged?|age\sof|age:|age\sis|now)\s{0,2}(?P<v>9\d|1[0-3]\d)\b",
        r"\b(?P<v>9\d|1[0-3]\d)(?:\s|-)?(?:years?|yrs?\.?|y\.?)(?:\s|-)?(?:old|o\b|/o|of\sage)",
        r"\b(?P<v>9\d|1[0-3]\d)\s?(?:y/?o|yo[mf]?|y\.o\.?|yr/o|years?-old)\b",
        r"\b(?P<v>9\d|1[0-3]\d)\s?(?:f|m)\b",
        r"\b(?P<v>ninety(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?|(?:one|a)\shundred(?:\s(?:and\s)?(?:one|two|three|four|five))?)[\s-](?:years?|yrs?)[\s-](?:old|of\sage)",
        r"\b(?P<v>9\d|1[0-3]\d)\s?(?:year|yr)\s?(?:old)?\s?(?:man|woman|male|female|gentleman|lady)\b",
    ),
    "DATE": (
        rf"\b{_WEEKDAY}{_YEAR}[-/.]{_MM}[-/.]{_DAY}{_CLOCK}\b",
        rf"\b{_WEEKDAY}{_DAY}[-/.]{_DAY}[-/.](?:{_YEAR}|\d\d){_CLOCK}\b",
        rf"\b{_WEEKDAY}{_MONTH}[\s-]{{0,2}}(?:the\s)?{_ORDINAL}(?:\s?(?:-|–|to|and|through|&)\s?{_ORDINAL})?(?:,?[\s/-]{{1,2}}{_YEARISH}|,{_YEAR})?{_CLOCK}\b",
        rf"\b{_WEEKDAY}(?:the\s)?{_ORDINAL}(?:\s?(?:-|–|to|and|through|&)\s?{_ORDINAL})?[\s/.-]?(?:\s?(?:day\s)?of\s)?{_MONTH}(?:,?[\s/.-]{{1,2}}{_YEARISH}|{_YEAR})?{_CLOCK}\b",
        rf"\b{_MONTH},?[\s/-]{{0,2}}(?:of\s)?(?:{_YEAR}|['’]\d\d)\b",
        rf"\b{_YEAR}[-\s/]{_MONTH}(?:[-\s/]{_ORDINAL})?\b",
        rf"\b{_MM}[/-]{_YEAR}\b",
        rf"\b{_WEEKDAY}{_MM}/{_DAY}\b",
        rf"\b{_DAY}/{_MM}\b",
        rf"\b{_WEEKDAY}(?:the\s)?{_WORD_ORDINAL}\s(?:day\s)?of\s{_MONTH}(?:,?\s{_YEAR})?\b",
        rf"\b{_MONTH}\s(?:the\s)?{_WORD_ORDINAL}(?:,?\s{_YEAR})?\b",
        rf"\b(?:on|by|until|since|from|the)\s(?P<v>(?:the\s)?{_DAY}(?:st|nd|rd|th))\s(?:and|at|for|with|of\sthe\smonth)\b",
        rf"\b{_MONTH_WORD}\b",
        rf"\b(?:in|since|last|this|next|early|late|mid|until|of|during|by)[\s-](?P<v>{_MONTH}(?:\s{_ORDINAL})?(?:,?\s{{1,2}}{_YEARISH})?)\b",
        r"\b(?:born|birth)(?:\s(?:in|year|on))?[\s:]{1,3}(?P<v>19[0-3]\d(?:[-/.]\d{1,2}[-/.]\d{1,2})?)\b",
        rf"\b{_HOLIDAY}\b",
        r"\b(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])\b",
    ),
    "LOCATION": (
        r"\b(?:p\.?\s?o\.?\s)?box\s#?(?P<v>\d{1,6})\b",
        r"\b\d{5}-\d{4}\b",
        r"\b(?:zip|postal)(?:\scode)?[\s:#]{0,3}(?P<v>[A-Z0-9]{3,7}(?:[ -][A-Z0-9]{3,4})?)\b",
        r"\b(?:apt|apartment|suite|ste|room|rm|bldg)\.?\s?#?\d{1,5}[A-Z]?\b",
    ),
}  # fmt: skip
# Upper case matters here: an unexplained code, a long number, a ZIP after a state.
CASED: dict[str, tuple[str, ...]] = {
    "LOCATION": (
        r"\b(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]|PR|GU|VI|AS|MP|FM|MH|PW)\.?,?\s{1,2}(?P<v>\d{5}(?:-\d{4})?)\b",
    ),
    "ID": (
        r"\b\d{6,}\b",
        r"\b\d{2,}(?:-\d{2,}){1,5}\b",
        r"\b[A-Z]{1,6}-?\d{4,}[A-Z0-9]*(?:-[A-Z0-9]+)*\b",
        r"\b[A-Z]{2,}(?:-[A-Z0-9]+)*-\d{3,}(?:-[A-Z0-9]+)*\b",
        r"\b[A-Z]*\d[A-Z0-9]*(?:-[A-Z0-9]*\d[A-Z0-9]*)+-[A-Z0-9]+\b",
        r"\b[A-Z]{1,4}\d{1,3}-\d{3,}[A-Z0-9]*\b",
        r"\b\d{2,}[A-Z]{1,6}\d[A-Z0-9]+(?:-[A-Z0-9]+)*\b",
        r"\b[A-Z]{1,3}\d{1,3}[A-Z]{1,4}\d[A-Z0-9]*\b",
        r"\b\d{3,}[A-Z]{1,3}\d*\b",
        r"\b[A-Z]*\d+[A-Z]+\d[A-Z0-9]*\d[A-Z0-9]*\b",
        r"\b[A-Z]{2,5}\d{3,}[A-Z]?\b",
        r"#\s?(?P<v>\d{4,})\b",
    ),
}
