"""What git and DVC must not hold, and where they must not send it. All identifiers here are made up."""

import pytest

from dxtune.verifying.boundary import is_sure, looks_like_phi, raw_stays
from dxtune.verifying.project import Project as Checked
from dxtune.verifying.remotes import remotes
from tests.conftest import ROOT
from tests.verifying.conftest import Project

NOTE = "Seen today.\nMRN 204117, SSN 219-09-9999, call 617-555-0142 or ann.foley@clinic.org.\n"


def test_each_identifier_is_found_by_its_line_and_none_is_repeated(project: Project) -> None:
    project.write("docs/letter.md", NOTE)
    project.write("docs/figures.md", "A difference of +0.0136461, 1,234,567 notes, by dev@example.org, see issue 204117.\n")
    project.run("git", "add", "--all")
    findings = looks_like_phi(Checked()).findings
    assert {finding.file for finding in findings} == {"docs/letter.md:2"}
    assert sorted(finding.found for finding in findings) == [
        f"what looks like one ({kind})" for kind in ("EMAIL", "MRN", "PHONE", "SSN")
    ]
    assert not any(part in str(findings) for part in ("204117", "219-09", "0142", "foley"))


@pytest.mark.parametrize(
    ("name", "content", "column"),
    [
        ("extract.csv", "\ufeffPatient Name;DOB\nA;1\n", "\ufeffPatient Name"),
        ("notes.jsonl", '{"id": 1, "note_text": "Cough."}\n', "note_text"),
        ("notes.json", '[\n {"id": 1, "mrn": 2}]\n', "mrn"),
        ("export.txt", "id\ttext\n1\tCough.\n", "text"),
    ],
)
def test_tables_of_patients_or_notes_are_found_by_their_columns(project: Project, name: str, content: str, column: str) -> None:
    project.write(name, content)
    project.run("git", "add", "--all")
    (finding,) = looks_like_phi(Checked()).findings
    assert (finding.file, finding.found) == (name, f"the column {column}")


def test_what_is_no_text_must_be_vouched_for_in_the_index(project: Project) -> None:
    (project.root / "scan.png").write_bytes(b"\x89PNG\r\n\x1a\n\0")
    project.write("docs/letter.md", NOTE)
    project.write(".gitattributes", "scan.png phi=none\ndocs/** phi=none\n")
    project.run("git", "add", "scan.png", "docs")
    assert looks_like_phi(Checked()).status == "FAILED", ".gitattributes is not in the index yet"
    project.run("git", "add", ".gitattributes")
    outcome = looks_like_phi(Checked())
    assert outcome.status == "ok" and "2 vouched for" in outcome.note


def test_this_repository_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert looks_like_phi(Checked()).findings == []


def test_phone_numbers_and_social_security_numbers_have_a_form() -> None:
    assert is_sure("PHONE", "555-201-3344") and not is_sure("PHONE", "36 059")
    assert is_sure("SSN", "219-09-9999") and not is_sure("SSN", "000-09-9999") and not is_sure("SSN", "79")


def test_raw_notes_key_and_source_in_git_are_found(project: Project) -> None:
    assert raw_stays(Checked()).findings == []
    project.write("dxtune.key", "0" * 64)
    project.run("git", "add", "--force", "data/raw", "source", "dxtune.key")
    findings = raw_stays(Checked()).findings
    assert [f.file for f in findings] == ["data/raw/notes.txt", "dxtune.key", "source/notes.csv"]


def test_a_scratch_clone_that_was_left_behind_is_found(project: Project) -> None:
    project.write(".cache/twice-abc/clone/data/raw/notes.txt", "Cough.")
    (finding,) = raw_stays(Checked()).findings
    assert finding.remedy == "rm -r .cache/twice-abc"


def test_raw_notes_that_dvc_would_push_are_found(project: Project) -> None:
    project.write("notes.csv", "Cough.")
    project.change("params.yaml", "path: source/notes.csv", "path: notes.csv")
    project.run("dvc", "add", "--quiet", "notes.csv")
    project.change("dvc.yaml", "          cache: false\n          persist: true", "          cache: true")
    project.run("dvc", "commit", "--quiet", "--force")
    found = sorted(f"{f.file}: {f.expected}" for f in raw_stays(Checked()).findings)
    assert found == [
        "data/raw/notes.txt: nothing of data/raw in DVC's cache",
        "data/raw: that DVC leaves data/raw where it is",
        "notes.csv: that DVC leaves notes.csv where it is",
    ]


@pytest.mark.parametrize(
    ("url", "settings", "says"),
    [
        ("/srv/store", [], []),
        ("s3://bucket/dvc", [("endpointurl", "http://127.0.0.1:5000")], []),
        ("../store", [], ["a relative path"]),
        ("http://storage.clinic.org/dvc", [], ["plain http"]),
        ("s3://bucket/dvc", [("endpointurl", "http://minio.clinic.org"), ("ssl_verify", "false")], ["plain http", "false"]),
        ("ssh://user:opensesame@clinic.org/dvc", [("password", "opensesame")], ["one in password, url"]),
    ],
)
def test_remotes_are_absolute_encrypted_and_without_passwords(
    project: Project, url: str, settings: list[tuple[str, str]], says: list[str]
) -> None:
    project.run("dvc", "remote", "add", "--quiet", "store", url)
    for name, value in settings:
        project.run("dvc", "remote", "modify", "--quiet", "store", name, value)
    findings = remotes(Checked()).findings
    assert [finding.found for finding in findings] == says
    assert "opensesame" not in str(findings)


def test_passwords_belong_into_the_file_that_git_ignores(project: Project) -> None:
    project.run("dvc", "remote", "add", "--quiet", "store", "ssh://clinic.org/dvc")
    project.run("dvc", "remote", "modify", "--quiet", "--local", "store", "password", "opensesame")
    assert remotes(Checked()).findings == []
    project.run("git", "add", "--force", ".dvc/config.local")
    assert [finding.file for finding in remotes(Checked()).findings] == [".dvc/config.local"]
