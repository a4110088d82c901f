"""What surrogates are made of: names and what stays beside them, the other letters of codes, and the forms of dates.

Names are written by hand to be diverse, none is taken from any record. A first name that both lists would hold is in EITHER.
"""

import re
from datetime import date, timedelta
from string import ascii_lowercase, ascii_uppercase, digits


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FEMALE = _words("""
    abigail adaeze adela adriana agatha agnes agnieszka aisha akiko alejandra alessandra alice alicia alma althea
    alyssa amalia amanda amara amber amelia amina amy ana anastasia andrea angela angelica anita anna anneliese
    annette annika antonia april araceli ariana arlene astrid audrey aurora ava ayesha barbara beatrice beatriz
    belinda bernadette bernice bertha beth betty beverly bianca blanca brenda bridget brittany camila candace carla
    carmen carol caroline cassandra catalina catherine cecilia celeste charlotte chiara chloe christina cindy claire
    clara claudia colleen concepcion consuelo cora courtney crystal cynthia daisy daniela danielle daphne dawn deborah
    deepa delia denise destiny diana dolores dominika donna dora doris dorothy edith edna eileen elaine eleanor elena
    elif elisa elizabeth ella ellen eloise elsa emiko emily emma erica erin esmeralda esperanza estelle esther ethel
    eugenia eunice eva evelyn fatima felicia fernanda fiona florence frances francesca freya gabriela genevieve
    georgia geraldine gertrude gina giulia gladys glenda gloria grace graciela greta gretchen guadalupe gwendolyn
    haruka hazel heather heidi helen helga henrietta hilda hiroko holly hortensia ida imani imelda inez ingrid irene
    iris irma isabel isabella ivy jacqueline janelle janet janice jasmine jeanette jennifer jessica jill joan joanna
    josefina josephine joyce juanita judith julia juliana julie justine karen karina katarzyna kateryna katherine
    kathleen katrina kavita kayla keiko khadija kimberly kiara krystyna lakshmi latasha latoya laura lauren leah leila
    lena leonor leticia lillian linda lisa lois lorena loretta lorraine louise lourdes lucia lucille lucy ludmila
    luisa lydia mabel madeline magdalena malgorzata marcella margaret margarita maria mariam marianne maribel marisol
    marjorie marlene marta martha mary matilda maureen maxine mei melanie melissa mercedes meredith michelle mildred
    miranda miriam monica muriel myrtle nadia nancy naomi natalia natalie ngozi nicole nina noemi nora norma octavia
    odette olga olivia ophelia paloma pamela patricia paula pauline pearl penelope perla petra phyllis pilar polina
    priscilla priya rachel ramona rebecca regina renata rhonda rita roberta rocio rosa rosalind rosemary rowena
    roxanne ruby ruth sabrina sakura samira sandra sarah savannah selma shanice sharon sheila shirley shreya silvia
    simone sofia sonia soledad stella stephanie sunita susan suzanne svetlana sylvia tabitha tamara tanisha tatiana
    teresa thelma theresa tiffany tomoko trinity ursula valentina valeria vanessa vera veronica victoria viola violet
    virginia wanda wendy wilhelmina winifred xiomara yasmin yesenia yolanda yuki yvette yvonne zainab zofia zoe
    """)
MALE = _words("""
    aaron abdul abdullah abraham adam adebayo adrian ahmad ahmed alan albert alberto alejandro alexander alfonso
    alfred ali alonzo alvin amir anders andre andrew andrzej angus anthony antoine antonio armando arnold arthur
    arturo arun ashok augustus barry bartholomew benedict benjamin bernard bhavesh boris bradley brandon brendan brian
    bruce bruno byron caleb calvin carl carlos cedric cesar chad charles chester chidi christian christopher clarence
    claude clayton clifford clyde conor cornelius craig curtis cyrus damian daniel dario darius darnell darren david
    dennis derek dexter diego dimitri dmitri dominic donald douglas duane duncan dwayne dylan earl edgar eduardo
    edward edwin elias elijah elmer emeka emil emilio emmanuel enrique eric ernest ernesto esteban ethan eugene evan
    ezekiel fabian farid felipe felix fernando floyd francisco frank franklin frederick gabriel garrett gary geoffrey
    george gerald gerardo gilbert giovanni glenn gordon graham gregory guillermo gustavo hamza harold harry harvey
    hassan hector henrik henry herbert herman hernan hiroshi homer horace howard hubert hugh hugo hussein ian ibrahim
    ignacio igor isaac isaiah ismael ivan jacob jaime jamal james jared jason javier jeffrey jeremiah jeremy jerome
    jesus jin joaquin joel johann john jonathan jorge jose joseph joshua juan julian julio justin kareem karl keith
    kenji kenneth kevin khalid klaus kofi krzysztof kwame kyle lamar lars lawrence leif leon leonard leroy lester liam
    lloyd lorenzo louis lucas luis luke luther magnus malcolm manuel marcin marco marcus mario mark marshall martin
    marvin mateo mathias matthew maurice max melvin miguel mikhail miles milton mitchell mohamed mohammed moises
    morris moses muhammad murray mustafa nathan nathaniel neil nelson nicholas nikhil nikolai norman obinna octavio
    oleg oliver omar orlando oscar osman oswald otis otto owen pablo patrick paul pavel pedro percy peter philip
    pierre prakash quentin rafael rajesh ralph ramiro ramon randall rashid raul raymond reginald ricardo richard
    roberto robert roderick rodney rodrigo roger roland roman ronald ross roy ruben rudolph rufus rupert russell
    salvador samuel sanjay santiago saul scott sean sebastian sergei sergio seth shawn simon solomon stanislaw stanley
    stefan stephen steven stuart suresh takashi tariq theodore thomas timothy tobias todd tomas trevor tyrone vernon
    vicente victor vijay vikram vincent vladimir wallace walter warren wayne wendell wilbur wilfred willard william
    winston wojciech yusuf zachary
    """)
EITHER = _words("""
    adebisi alex ariel arden ashley aubrey avery bailey blair bobbie cameron carey casey charlie chris cody corey
    dakota dale dana darcy devon drew elliot emerson finley frankie gale harley harper hayden hollis jackie jaden
    jamie jan jean jessie jody jordan kai kelly kendall kerry kim kris lane laurie lee leslie logan loren lynn marion
    merle morgan noel pat peyton quinn reese remy riley robin rory rowan ryan sacha sage sam sandy sasha shannon
    shelby sidney sky stacy sydney taylor terry toby tracy val wei whitney
    """)
# First names that tell when somebody was born, more or less; all others were given in every decade. By the lists of the US
# Social Security Administration, as remembered: what counts is that nobody of 90 becomes a Kayla.
OLD = _words("""
    agatha agnes alma arlene beatrice bernadette bernice bertha beth betty beverly doris dorothy edith edna eileen elsa
    estelle ethel eugenia eunice florence geraldine gertrude gladys glenda helga henrietta hilda hortensia ida imelda inez irma
    janice joan joyce juanita lois loretta lorraine lucille mabel marjorie marlene maxine mildred muriel myrtle norma ophelia
    pearl phyllis rosalind selma shirley thelma ursula wanda wilhelmina winifred yolanda alfred alonzo alvin bernard byron
    chester clarence claude clifford clyde cornelius duane earl edgar edwin elmer ernest floyd franklin frederick gerald gilbert
    glenn harold harvey herbert herman homer horace howard hubert leonard leroy lester lloyd luther marvin melvin milton
    morris murray norman oswald otis otto percy ralph raymond reginald roland rudolph rufus rupert stanley vernon wallace
    walter warren wendell wilbur wilfred willard winston gale merle marion noel laurie
    """)
YOUNG = _words("""
    alyssa amber ariana ashley brandon brittany caleb chloe cody courtney crystal dakota darius darnell destiny dylan
    ethan hayden jaden jasmine jared justin kayla kiara latasha logan madeline mateo nicole peyton quinn reese
    savannah shanice shelby sky tabitha tanisha taylor tiffany trinity tyrone yesenia zoe aubrey avery bailey finley harper
    kendall remy riley rowan sage zachary esmeralda maribel marisol
    """)
SURNAMES = _words("""
    abara abbott abdi abrams acevedo acosta adair adeyemi adkins agarwal aguilar ahn akers alarcon albright alcott
    aldridge alvarado amaya amundsen anand anaya andersen andrade antonov appiah applegate aquino arellano armitage
    arnett arriaga arroyo asante ashworth atwater avila ayala bachman baginski bagwell bakker balakrishnan baldwin
    ballard banerjee bannister barajas barlow barragan barrientos bartlett bashir bassett batista baumann baxter
    beasley becerra beckett bellamy beltran benavides benitez bennett bergstrom bernstein bhatt bielski birch bjornson
    blackwell blanchard blankenship bloomfield bocanegra bogdan bolton bonilla booker borkowski bowden bowman boyle
    bradford brandt bravo breckenridge brennan briggs brigham briscoe brodsky brooks broussard buchanan buckley bui
    bullard burgess burkhart burnett bustamante byrd caballero cabrera caldwell calloway camacho campos cantrell cantu
    cardenas carlisle carmichael carpenter carranza carver castaneda cervantes chadwick chakraborty chambers chandler
    chaney chatterjee chavez cheung choudhury christensen cisneros clayborne clemons coblentz coleman colon compton
    conklin connolly contreras copeland corbett cordova cornejo corrigan cortez cosgrove coulter covington cranston
    crawford crenshaw cromwell crowley cruz cunningham curry czarnecki dacosta dahlberg dalton daniels danso darby
    davenport dawson decker delacruz delgado demir denton desai desrosiers devlin dhaliwal diallo dickerson dietrich
    dillard dobson dominguez donahue donnelly dorsey doyle draper dubois dudley duffy dumont dunlap duran dutta dvorak
    dyer eastman eaton echevarria eckhart edmonds egan ehrlich eklund elizondo ellington ellison emery engstrom
    enriquez erdogan erickson escobar espinoza estrada everett ezeh fairbanks falkner farooq farrell faulkner feldman
    fennell ferguson ferreira figueroa finch fischer fitzgerald flanagan fleming flores fontaine forsyth foster fowler
    frazier fredriksen friedman frost fuentes fujimoto gaines galindo gallagher galloway galvan gamboa ganguly
    garrison garza gentry ghosh gibbons giordano glover godfrey goldberg gomez goodwin gorman gough granados grantham
    greenwood griffith grimaldi grossman gruber guerrero guidry gunderson gupta gutierrez guzman haas haddad hagen
    halvorsen hamilton hampton hanrahan hansen hargrove harrington hartley hartmann hassani hatfield hawkins haynes
    heffernan heller hendricks herrera herrmann hickman higgins hinojosa hirsch hoang hobbs hodges hoffman hogan
    holbrook holcomb holloway holmgren horvath houston huang hubbard huerta hughes humphrey huynh hyde ibarra ingram
    irving islam ito ivanov iyer jacobsen jankowski jaramillo jarvis jefferson jennings jensen jimenez johansson
    joyner juarez jung kadir kamara kaminski kapoor karimi kasprzak katz kaufman kaur keane keller kemp kendrick
    kessler khatri kilgore kimura kirby kirkland klein knapp kobayashi koch koenig kovacs kowalski kozlov kramer
    krishnan kruger kumar kuznetsov lacroix lambert lancaster landry langford lara larkin larsson lavigne lawson
    leblanc ledbetter leclerc leibowitz lindgren lindsey linares livingston lockwood lombardi londono lopez lovelace
    lowery lozano ludlow lujan lundberg luong lyons macias mackey maddox magana mahoney maldonado malhotra malone
    mancini manning marchetti markham marquez marsden martinez massey mathis matsumoto maxwell mayfield mbeki medina
    meier mejia melendez mendoza mensah mercado merritt meyer middleton mikkelsen milner mishra molina monahan
    montague montoya moody morales moreau moreno moriarty morrow mosley mueller mukherjee mulligan munoz murdock nagy
    nair nakamura nakashima narvaez navarro ndiaye nesbitt newell newsome nguyen nichols nielsen nieves nkosi nolan
    norwood novak nunez nwosu nyberg oakley obrien ocampo ochoa odom ogden okafor okonkwo oleary oliveira olsson
    ontiveros orellana ortega osborne osei oshea ostrowski otero overton owusu pacheco padgett palacios palmer pappas
    parekh parrish pasternak patel patterson pawlak paxton pearson pedersen pemberton pena pereira pettit pham phelps
    phipps pierce pineda pinkerton pittman plascencia poole popov porter prescott preston proctor pruitt puckett
    quezada quigley quinones quiroz rafferty rahman ramirez ramsey randhawa rangel rao rasmussen ratliff rawlings
    reddy redmond reilly renfro renner reyes rhodes richter riggs rinaldi riordan rios rivas rivera robinson rocha
    rojas romanov romero rosales rosenthal rossi rowland rubio ruiz rutledge saavedra sadler saito salazar salgado
    salinas sanchez sandoval santana sawyer schaefer schmidt schneider schroeder schultz schwartz seaton segura
    sepulveda serrano shah shapiro sheehan shepherd sheridan shimizu siddiqui sinclair singh skinner slater sloan
    smirnov sokolov solis sorensen soto sousa spaulding spencer stafford stanton steiner stephens sterling stockton
    stokes stratton strickland suarez subramanian sullivan sutherland suzuki svensson swanson szabo tafoya takahashi
    talbot tanaka tapia tavares thackeray thibodeaux thornton tillman tolbert toledo torres townsend tran travers
    trevino trujillo tucker turnbull underwood upton urbina valdez valenzuela vandenberg vargas vasquez vaughn velasco
    venkatesh vickers villanueva vinson vogel volkov wadsworth wagner wakefield walczak walsh warfield watanabe weaver
    webster weinstein wentworth whitaker whitfield wiggins wilcox wilkinson winslow wojcik woodard wozniak wyatt
    yamamoto yang yates yilmaz ybarra yoder yoon zamora zapata zhang ziegler zielinski zimmerman zuniga
    """)
MC_NAMES = _words("""
    mcadams mcafee mcallister mcbride mccabe mccain mccall mccann mccarthy mcclain mcclellan mcclure mcconnell
    mccormick mccoy mccracken mccullough mcdaniel mcdermott mcdonough mcdowell mcelroy mcfadden mcfarland mcgee
    mcginnis mcgowan mcgrath mcgraw mcgregor mcguire mcintosh mcintyre mckay mckee mckenna mckinley mckinney mcknight
    mclaughlin mclean mcleod mcmahon mcmanus mcmillan mcnally mcnamara mcneill mcpherson mcqueen mcrae mcwilliams
    """)
PLACES = _words("""
    aldermere alderwick amberfell applethorpe arborwick ardenmoor ashcroft ashenford aspenwold averstone bannerwick
    barrowmere bayhollow beckmoor beechmont bellhaven belmarsh birchmoor birkwell blackfen bleakmoor bluffhaven
    boltwick bramblewood brackenford brackwater brairmont briarfell brightmere brindlewood brockhollow brookhurst
    bucklow burnmoor byreford calderwick camberfell candlewick cardmoor castermere cedarfell cheswold cinderford
    clovermere coldbrook combewick copperfell coppermoor corwick cottsmere cranmoor crestwick crickhollow cressmere
    culverton dalmere danesmoor darrowby deepmere dellwick denmoor dovermere drakewell dunmarsh dustmoor eaglemere
    eastermoor ebonford eddlestow edgemarsh elderfell elkmoor ellerwick elmstow emberford evenwold everwick fairmarsh
    fallowfield farrowmere fawnbrook fenwater fernmoor fieldmere finchwell flintmoor foxholt frostwick galemoor
    garrowby gildenmere glenfallow goldmarsh gorsefield granmere graywold greenholt gullhaven hallowmere harbrook
    harrowfell hartmoor hawkmere hazelwold heathwick hedgeford hemlow heronsea highmarsh hillmere hollinford holmarsh
    honeywick hopewold hornbeck huntmere ivelstow ivymoor jadeford junipermere kelderwick kelmoor kestrelford
    kingsmarsh kirkmere knollwick lakemoor lambswold larchmere larkmoor lavenmere leafholt ledgemoor lilymere
    lindenfell linmarsh lockmere longwold lowmarsh lynmoor maplewick marblefell marrowby marshwold meadowmere
    merefield millwick mistmoor morningford mosswick netherfell newmarsh nightwell nimbleford northwold oakhallow
    oakmere oldenmoor orchardwick ottermere overmarsh owlsbrook palmstow pebblewick pennmoor perrymere pinefell
    plumstow pondwick poplarmere quailbrook quarrymoor quillmere rainford ravenmere redmarsh reedwick ridgemoor
    riverfell rookmere rosewold rowanmere rushmoor sablewick saltmere sandwold sedgewater shalemoor shellwick
    silvermarsh skylarkford slatemere sorrelmoor sparrowby springwold starmere stillwick stonemarsh stormfell
    summerwold sunmoor swanwick tallowmere tanglewold tarnmoor teasel thistlemere thornwold timbermoor torrwick
    umberfell valemarsh veldmoor vinewick walmere warbrook waterwold wexcombe wheatmere whitmarsh wickmoor wildermere
    willowfell windmarsh winterwold wolfmere woodmarsh wrenmoor yarrowby yewmarsh
    """)
POSTAL = _words("""
    AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA
    RI SC SD TN TX UT VT VA WA WV WI WY DC PR GU VI AS MP
    """)
STATES = frozenset(
    """
    alabama|alaska|arizona|arkansas|california|colorado|connecticut|delaware|florida|georgia|hawaii|idaho|illinois
    indiana|iowa|kansas|kentucky|louisiana|maine|maryland|massachusetts|michigan|minnesota|mississippi|missouri|montana
    nebraska|nevada|new hampshire|new jersey|new mexico|new york|north carolina|north dakota|ohio|oklahoma|oregon
    pennsylvania|rhode island|south carolina|south dakota|tennessee|texas|utah|vermont|virginia|washington
    west virginia|wisconsin|wyoming|district of columbia|d c|puerto rico|guam
    united states|united states of america|u s|u s a|america
    """.strip()
    .replace("\n    ", "|")
    .split("|")
)
COUNTRY = frozenset({"us", "usa"})
JOINING = _words("a and at by for in near of on the to")
NUMBERED = _words(
    "apt apartment box bldg building flat floor fl highway hwy lot no po rd rm road room route rr rte ste suite unit"
)
STREETS = _words("""
    alley aly ave avenue blvd boulevard cir circle close court cove cres crescent crossing ct ctr dr drive expressway
    expy extension freeway fwy heights highway hts hwy lane ln loop mews parkway pike pkwy pl place plaza plz rd road
    route row rte sq square st street ter terrace trace trail trl tpke turnpike walk way
    """)
COMPASS = _words("n s e w ne nw se sw north south east west northeast northwest southeast southwest")
LOCATION_KEPT = (
    STREETS
    | COMPASS
    | JOINING
    | NUMBERED
    | _words("attn city co county lower new old saint state town township upper village zip zipcode")
)
FACILITY_KEPT = (
    JOINING
    | COMPASS
    | _words("""
        academic academy adult adventist agency ambulatory ambulance and associates assisted baptist bed behavioral
        building bureau burn campus cancer cardiac cardiology care catholic center centers central centre charity
        child childrens children church clinic clinical clinics college community company convalescent corp
        corporation county crisis critical day dental department dept dermatology development diagnostic dialysis
        district division doctors ed elementary emergency endoscopy er extended eye facility family federal first
        floor foundation general geriatric government group gynecology head health healthcare heart high home homes
        hosp hospice hospital hospitalist hospitals house icu imaging inc independent infirmary inpatient institute
        institution intensive intermediate internal international jail kidney lab laboratories laboratory living llc
        long ltd lung lutheran main manor maternity med medical medicine memorial mental methodist metropolitan middle
        military mount mt national naval neurology neuroscience nicu nursing obstetrics office oncology orthopedic
        orthopaedic orthopedics outpatient pain palliative partners pavilion pediatric pediatrics penitentiary
        pharmacy physicians picu plan pllc post practice presbyterian primary prison program psychiatric psychiatry
        public radiology recovery regional rehab rehabilitation research residence residential retirement room rural
        saint school science sciences senior service services shelter skilled snf specialists specialty spine sports
        ss st state step street surgery surgical system telemetry term trauma treatment trust unit university urgent
        urology va valley veterans veteran village vision ward wellness wing women womens woman men mens
        """)
)
NAME_KEPT = _words("dr drs mr mrs ms miss mister prof professor jr sr ii iii iv md rn phd baby boy girl twin and")
PARTICLES = _words("de del della der den la van von und y")

_BY_SEX = {"female": FEMALE, "male": MALE, "either": EITHER}
POOLS = {
    pool: tuple(sorted(words))
    for pool, words in (
        *((sex, some - OLD - YOUNG) for sex, some in _BY_SEX.items()),
        *((f"{sex}_old", some - YOUNG) for sex, some in _BY_SEX.items()),
        *((f"{sex}_young", some - OLD) for sex, some in _BY_SEX.items()),
        ("surname", SURNAMES), ("mc", MC_NAMES), ("place", PLACES),
    )
}  # fmt: skip
FIRST_NAMES = {
    name: sex + ("_old" if name in OLD else "_young" if name in YOUNG else "") for sex, some in _BY_SEX.items() for name in some
}
"""Of each first name the pool of those that its owner may get: of the same sex, and of no other age."""
SYLLABLES = tuple(
    first + rest
    for first in ("b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "br")
    for rest in ("a", "e", "i", "o", "u", "ar", "en", "il", "on", "ur", "an", "el", "is", "or", "al", "in")
)
INVENTED = tuple(first + middle + last for first in SYLLABLES[::4] for middle in SYLLABLES[1:80:16] for last in SYLLABLES[6::9])
"""Words that can be said, for a corpus that holds most names."""

OTHER = {
    c: [kind[(kind.index(c) + 1 + byte % (len(kind) - 1)) % len(kind)] for byte in range(256)]
    for kind in (digits, ascii_lowercase, ascii_uppercase)
    for c in kind
}
"""Of each letter and digit, which other one a byte makes of it."""

UNDRESSED = str.maketrans({"ø": "o", "œ": "oe", "æ": "ae", "ð": "d", "þ": "th", "ł": "l", "đ": "d", "ı": "i"})
SMALL_ZIPS = _words("036 059 063 102 203 205 369 556 692 790 821 823 830 831 878 879 884 890 893")
"""The first three digits of ZIP codes of 20,000 people or fewer (164.514(b)(2)(i)(B)): the lists in use together."""
LABEL = re.compile(
    "(?<![a-z])(ext|extn|extension|x+|tel|phone|fax|cell|pager|img|dsc|image|photo|jpe?g|png|gif|tiff?|heic|bmp|dcm|pdf|mp4|mov)"
    "(?![a-z])",
    re.I,
)

ORDINALS = ["th" if 10 < n < 14 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th") for n in range(100)]
MONTHS = tuple(
    "january|february|march|april|may|june|july|august|september|october|november|december".split("|")  # noqa: SIM905
)
_NUMBERS = {name[:3]: number for number, name in enumerate(MONTHS, start=1)}
_MONTH = (
    "(?P<n>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept(?:ember)?|sep|oct(?:ober)?|"
    "nov(?:ember)?|dec(?:ember)?)"
)
_DAY, _LONG, _GAP = r"(?P<d>[0-3]?\d)(?P<o>st|nd|rd|th)?", r"(?:1[89]|20)\d\d", r"(?:[\s,./-]{0,3}|\s+of\s+)"
_SHORT = rf"\d\d(?!\d|[:/.-]\d|\s*(?:[ap]\.?m\b|h|st\b|nd\b|rd\b|th\b|{_MONTH.replace('?P<n>', '?:')}))"
_FORMS = (
    rf"(?P<y>{_LONG})(?P<m>[01]\d)(?P<d>[0-3]\d)(?:\d{{4}}|\d{{6}})?",
    rf"(?P<y>{_LONG})(?P<s>[/.-])(?P<m>\d\d?)(?P=s)(?P<d>\d\d?)",
    rf"(?P<a>\d\d?)(?P<s>[/.-])(?P<b>\d\d?)(?P=s)['’]?(?P<y>{_LONG}|\d\d)",
    rf"(?P<y>{_LONG})[/.-](?P<m>\d\d?)",
    rf"(?P<m>\d\d?)[/.-](?P<y>{_LONG})",
    r"(?P<a>\d\d?)(?P<s>[/.-])(?P<b>\d\d?)(?!(?P=s)\d)",
    rf"(?P<y>{_LONG})[\s./-]?{_MONTH}[\s./-]?{_DAY}",
    rf"{_DAY}(?:\s+day)?{_GAP}{_MONTH}(?:{_GAP}['’]?(?P<y>{_LONG})|(?:[/.-]|[\s,]*)['’]?(?P<y>{_SHORT}))?",
    rf"{_MONTH}{_GAP}{_DAY}(?!\d)(?:{_GAP}['’]?(?P<y>{_LONG})|(?:[/.-]|[\s,]+['’]?|['’])(?P<y>{_SHORT}))?",
    rf"{_MONTH}{_GAP}(?:(?P<y>{_LONG})|['’](?P<y>\d\d))",
    _MONTH,
    rf"(?P<y>{_LONG})|['’](?P<y>\d\d)",
    r"t?[0-2]?\d:[0-5]\d(?::\d\d(?:[.,]\d+)?)?(?:\s*[ap]\.?m\b)?(?:\s*(?:z|utc|gmt|[ecmp][sd]?t|[+-]\d\d:?\d\d)\b)?",
    r"(?<![/.-])t?(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?(?![/.-]\d)(?:\s*(?:z|h|hrs?|hours?)\b)?|[01]?\d\s*[ap]\.?m",
    r"(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?s?",
    "the|of|on|at|to|and|or|by|in|from|through|thru|until|till|since|between|early|mid|late|morning|afternoon|evening|night|noon",
)


def _compiled() -> tuple[re.Pattern[str], dict[str, list[str]]]:
    fields, bodies = {}, []
    for number, form in enumerate(_FORMS):
        parts = re.split(r"\(\?P<(\w)>", form)
        groups = [f"{letter}{number}_{place}" for place, letter in enumerate(parts[1::2])]
        body = parts[0] + "".join([f"(?P<{group}>{part}" for group, part in zip(groups, parts[2::2], strict=True)])
        bodies.append(f"(?P<f{number}>{body.replace('(?P=s)', f'(?P=s{number}_1)')})")
        fields[f"f{number}"] = [group for group in groups if group[0] != "s"]
    pattern = rf"(?:(?<![a-z0-9])|(?<=\d)(?=t\d))(?:{'|'.join(bodies)})(?:(?![a-z0-9])|(?=t\d))"
    return re.compile(pattern, re.I | re.A), fields


_DATE, _FIELDS = _compiled()
"""The forms of dates, then times of day, weekdays and small words; of each form its groups in the order of the text.

The first letter of a group: y year, m month, n its name, d day, o its suffix; a and b month and day, or day and month.
"""
_YEAR = re.compile(r"(?<![0-9])(?:19[4-9]|20[0-9])[0-9](?:(?![0-9])|(?=[01][0-9][0-3][0-9](?![0-9])))")


def year(value: str) -> str:
    """The year of a date, as spans.placeholder keeps it; [DATE] where it has none in four digits.

    >>> year("3/4/2019"), year("March 4")
    ('2019', '[DATE]')
    """
    return found[0] if (found := _YEAR.search(value)) else "[DATE]"


def shift(value: str, by: timedelta) -> str:
    """The dates moved in the form that they have; weekdays and times of day stay. [DATE] if anything else is in the text.

    The month is first, unless the number is above 12.

    >>> shift("Mon, Mar 4th, 10:15", timedelta(weeks=1)), shift("28.12.2019", timedelta(weeks=1)), shift("Easter", timedelta(7))
    ('Mon, Mar 11th, 10:15', '04.01.2020', '[DATE]')
    """
    parts: list[str] = []
    done, dated = 0, False
    try:
        for match in _DATE.finditer(value):
            fields = [group for group in _FIELDS[match.lastgroup or ""] if match[group] is not None]
            parts += (value[done : match.start()], _moved(match, fields, by) if fields else match[0])
            dated |= bool(fields)
            done = match.end()
    except (ValueError, OverflowError):  # no such day
        return "[DATE]"
    parts.append(value[done:])
    other = any(map(str.isalnum, "".join(parts[::2])))
    return "[DATE]" if other or (not dated and any(map(str.isdecimal, value))) else "".join(parts)


def _moved(match: re.Match[str], groups: list[str], by: timedelta) -> str:
    """A date moved. One without a year is taken to be in 2002, with no leap year beside it; without a day in mid-month."""
    old = {group[0]: match[group] for group in groups}
    month, day = ("m", "d") if "a" not in old else ("a", "b") if int(old["a"]) < 13 else ("b", "a")
    when, name = int(old.get("y", 2002)), old.get("n", "")
    when += 0 if when > 99 else 2000 if when < 50 else 1900
    new = date(when, _NUMBERS[name[:3].lower()] if name else int(old.get(month, 7)), int(old.get(day, 15))) + by
    whole = name.lower() in MONTHS and (len(name) > 3 or " " in match[0])  # the May of 04-May-2019 is short
    month_name = MONTHS[new.month - 1] if whole else MONTHS[new.month - 1][:3]
    padded = old.get(day, "")[:1] == "0" if name else len(old.get(month, "00")) == len(old.get(day, "00")) == 2
    written = {
        "y": f"{new.year:04d}"[-len(old.get("y", "0000")) :],
        "n": month_name.upper() if name.isupper() else month_name if name.islower() else month_name.capitalize(),
        "o": ORDINALS[new.day].upper() if old.get("o", "").isupper() else ORDINALS[new.day],
        month: f"{new.month:02d}" if padded else str(new.month),
        day: f"{new.day:02d}" if padded else str(new.day),
    }
    parts: list[str] = []
    done = match.start()
    for group in groups:
        parts += (match.string[done : match.start(group)], written[group[0]])
        done = match.end(group)
    return "".join([*parts, match.string[done : match.end()]])
