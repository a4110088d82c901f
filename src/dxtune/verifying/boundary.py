"""The PHI boundary in what git and DVC hold: raw notes and their key stay here, and no tracked file looks like PHI."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from dxtune.deid import Deidentifier, key
from dxtune.params import Collect, Params
from dxtune.paths import Paths
from dxtune.shards import MANIFEST
from dxtune.verifying.outcome import Finding, Outcome
from dxtune.verifying.project import Project

RAW = Paths(Path()).raw.as_posix()
ATTRIBUTE = "phi"
"""Of .gitattributes: files with phi=none hold made-up identifiers alone, as a person has made sure of."""
TABLES = {".csv", ".tsv", ".psv", ".txt", ".json", ".jsonl", ".ndjson"}
COLUMNS = {
    *("mrn", "medical_record_number", "ssn", "social_security_number", "dob", "date_of_birth", "birth_date", "birthdate"),
    *("patient_name", "first_name", "given_name", "last_name", "family_name", "surname", "street_address", "home_address"),
    *("phone_number", "telephone", "note_text", "clinical_note"),
}
"""Names of columns that only tables of patients or notes have; with them those that params.yaml names (collect)."""
HEAD = 4096
"""Characters in which the names of columns stand."""
EXAMPLES = re.compile(r"@(?:[\w-]+\.)*(?:example(?:\.\w+)?|test|invalid|localhost)$", re.IGNORECASE)
"""Addresses that belong to nobody (RFC 2606)."""


def raw_stays(project: Project) -> Outcome:
    """Whether the notes as they came, and the key, are in neither git nor DVC's cache: what is there can be pushed."""
    private = [RAW, *_sources(project.params)]
    findings = list(_private_files(project, project.tracked))
    for out in project.outputs:
        for path in private:
            if out.cached and (_inside(out.path, path) or _inside(path, out.path)):
                remedy = f"cache: false in {out.stage}, and take what was pushed out of the remote"
                findings.append(
                    Finding(out.path, f"that DVC leaves {path} where it is", "that DVC caches and pushes it", remedy)
                )
    for left in sorted(Paths(project.root).cache.glob("twice-*")):
        findings.append(Finding(str(left), "no copy of raw notes", "a clone that a killed --twice left", f"rm -r {left}"))
    remedy = "remove it from the cache, and from every remote that it was pushed to"
    findings += [
        Finding(path, f"nothing of {RAW} in DVC's cache", "the same bytes there", remedy) for path in _cached_raw(project)
    ]
    return Outcome(findings)


def _private_files(project: Project, names: Iterable[str]) -> Iterator[Finding]:
    """Files of git that must never be in it, whatever they hold."""
    private = [RAW, key.FILE, *_sources(project.params)]
    for name in names:
        for path in private:
            if _inside(name, path):
                remedy = f"git rm --cached {name}; if it was pushed, everybody who can read the repository has it"
                yield Finding(name, f"nothing of {path} in git", "that git tracks it", remedy)


def _sources(params: Params) -> list[str]:
    """Where notes come from that are not open data."""
    local = params.collect.source not in ("synthetic", "hub") and params.deidentify.key == "secret"
    return [params.collect.path] if local else []


def _inside(path: str, folder: str) -> bool:
    return PurePosixPath(path).is_relative_to(folder)


def _cached_raw(project: Project) -> Iterator[str]:
    """Files of data/raw whose content lies in DVC's cache, too. Manifests count rows: other corpora have the same."""
    from dvc_data.hashfile.hash import hash_file

    cache, files = project.repo.cache.local, project.repo.fs
    for path in sorted((project.root / RAW).rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            _, md5 = hash_file(str(path.resolve()), files, "md5", state=project.repo.state)
            if cache.exists(md5.value):
                yield path.relative_to(project.root).as_posix()


def looks_like_phi(project: Project, names: Iterable[str] | None = None) -> Outcome:
    """Whether files of git's index (or some of them) hold what looks like an identifier, or are tables of patients or notes.

    Looked for is what has a form of its own: record, plan, account and social security numbers, phones, addresses of mail.
    Names are not: every other word of a program would be one. A file that is no text cannot be looked into, which is a finding,
    too. Findings name the line, never what stands there.
    """
    names = list(project.tracked if names is None else names)
    vouched = _vouched(project, names)
    texts, findings = {}, []
    for name, content in project.contents(name for name in names if name not in vouched):
        try:
            texts[name] = content.decode("utf-8")
        except UnicodeDecodeError:
            texts[name] = "\0"
        if "\0" in texts[name]:
            del texts[name]
            findings.append(_phi(name, "text that can be looked into", "another kind of file"))
    for name, text in texts.items():
        if column := _patient_column(name, text, project.params.collect):
            findings.append(_phi(name, "no table of patients or notes", f"the column {column}"))
    for (name, text), spans in zip(texts.items(), Deidentifier(key.public_key()).spans_of(list(texts.values())), strict=True):
        sure = {(text.count("\n", 0, start) + 1, kind) for start, end, kind in spans if is_sure(kind, text[start:end])}
        findings += [_phi(f"{name}:{line}", "no identifier", f"what looks like one ({kind})") for line, kind in sorted(sure)]
    return Outcome(findings, note=f"{len(texts)} files of text, {len(vouched)} vouched for in .gitattributes")


def _phi(where: str, expected: str, found: str) -> Finding:
    name = where.partition(":")[0]
    remedy = (
        f"git rm --cached {name} and keep it in source/; if all of it is made up: {name} {ATTRIBUTE}=none in .gitattributes"
    )
    return Finding(where, expected, found, remedy)


def _vouched(project: Project, names: list[str]) -> set[str]:
    """The files with phi=none, as .gitattributes in the index says, not the one in the folder."""
    answer = project.git("check-attr", "--cached", "-z", "--stdin", ATTRIBUTE, given="\0".join(names).encode())
    fields = answer.decode().split("\0")
    return {path for path, value in zip(fields[::3], fields[2::3], strict=False) if value == "none"}


def is_sure(kind: str, value: str) -> bool:
    """Whether a span is an identifier beyond doubt, in files that are no clinical notes.

    >>> is_sure("PHONE", "+0.0136461"), is_sure("EMAIL", "ours @ theirs.T"), is_sure("EMAIL", "ann@clinic.example")
    (False, False, False)
    """
    digits = sum(map(str.isdigit, value))
    if kind == "EMAIL":
        return re.fullmatch(r"[\w.+-]+@[\w-]+(\.[\w-]+)*\.[A-Za-z]{2,}", value) is not None and not EXAMPLES.search(value)
    if kind in ("PHONE", "FAX"):
        return 7 <= digits <= 15 and not re.fullmatch(r"[+-]?\d*\.\d+", value)
    if kind == "SSN":
        return digits == 9 and re.match(r"(?!000|666|9)\d", value) is not None
    return kind in ("MRN", "HEALTH_PLAN", "ACCOUNT") and digits >= 5


def _patient_column(name: str, text: str, collect: Collect) -> str | None:
    """The column that gives away a table of patients or notes, None where there is none."""
    if PurePosixPath(name).suffix.lower() not in TABLES:
        return None
    own = (collect.text_column, collect.patient_column, *collect.identifier_columns)
    wanted = COLUMNS | {_plain(column) for column in own if column}
    head = text[:HEAD]
    objects = head.lstrip("\ufeff \n").startswith("[") or PurePosixPath(name).suffix.lower() in (".jsonl", ".ndjson")
    names = re.findall(r'"([^"\\]{1,60})"\s*:', head) if objects else _header(head)
    return next((column for column in names if _plain(column) in wanted), None)


def _header(head: str) -> list[str]:
    """The cells of the first line; none where it is one cell."""
    cells = re.split(r"[,;\t|]", head.partition("\n")[0])
    return cells if len(cells) > 1 else []


def _plain(column: str) -> str:
    """A column's name without marks.

    >>> _plain('\\ufeff"Patient Name"')
    'patient_name'
    """
    return re.sub(r"\W+", "_", column.strip('\ufeff" \r').lower())


def staged(project: Project) -> Outcome:
    """The same of what the next commit changes: for a hook that runs before each."""
    changed = project.git("diff", "--cached", "--name-only", "-z", "--diff-filter=ACMRT").decode().split("\0")
    names = [name for name in changed if name in project.tracked]
    private = list(_private_files(project, names))
    seen = {finding.file for finding in private}
    rest = looks_like_phi(project, [name for name in names if name not in seen])
    return Outcome([*private, *rest.findings], note=rest.note)
