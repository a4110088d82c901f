"""The fingerprint of a function: what it runs counts, how it is written down does not."""

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from dxtune.code import canonical, data_files, fingerprint, modules, read
from dxtune.tasks.notes import encode
from tests.conftest import ROOT
from tests.shards import work

PRINT = (
    "from dxtune.code import fingerprint\nfrom dxtune.deid.shard import find_shard\n"
    "from dxtune.tasks.notes import encode\nprint(fingerprint(find_shard), fingerprint(encode))"
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the package that may be changed."""
    shutil.copytree(ROOT / "src/dxtune", tmp_path / "dxtune", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def prints(source: Path) -> list[str]:
    """The fingerprints of find_shard and encode, in a process of their own."""
    done = subprocess.run(
        [sys.executable, "-c", PRINT], env={"PYTHONPATH": str(source)}, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("deid/engine.py", '"""Looks at notes', '# a comment\n"""Another docstring', (False, False)),
        ("deid/marking.py", "SURE = 200", "SURE = 201", (True, False)),
        ("deid/vote.py", "SENTENCE = 1000", "SENTENCE = 999", (True, False)),
        ("tasks/notes.py", "HEAD = 0.25", "HEAD = 0.5", (False, True)),
        ("shards/progress.py", "EVERY_S = 5.0", "EVERY_S = 4.0", (False, False)),
        ("params.py", "SPLITS = (", "SPLITS_ = SPLITS = (", (False, False)),
        ("training/trainer.py", "import", "import sys\nimport", (False, False)),
    ],
)
def test_what_is_run_counts(source: Path, file: str, old: str, new: str, changes: tuple[bool, bool]) -> None:
    before = prints(source)
    path = source / "dxtune" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert tuple(a != b for a, b in zip(before, prints(source), strict=True)) == changes


def test_imports_count_wherever_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(
        "import dxtune.a\nclass C:\n  def f(self):\n    try:\n      from dxtune.b import x\n    except E:\n      import dxtune.c\n"  # noqa: E501
        "    else:\n      import dxtune.d\n    finally:\n      with y:\n        import dxtune.e\n"
        "if z:\n  pass\nelif z:\n  match z:\n    case 1:\n      import dxtune.f\nelse:\n  import dxtune.g, os\n"
    )
    assert {name for name in read(file).imports if name != "os"} == {"dxtune.b.x", *(f"dxtune.{letter}" for letter in "acdefg")}


def test_a_name_that_a_package_hands_on_is_of_the_module_that_defines_it() -> None:
    used = modules("dxtune.stages.evaluate")
    assert {name for name in used if name.startswith("dxtune.shards")} == {"dxtune.shards.corpus", "dxtune.shards.result"}
    assert "dxtune.files" in used, "read_json is from there"
    assert {"dxtune.shards", "dxtune.shards.mapping", "dxtune.shards.corpus"} <= modules("dxtune.stages.preprocess").keys()


def test_who_imports_a_function_that_chooses_modules_uses_what_it_gives() -> None:
    chosen = {"dxtune.tasks.find_task": ["dxtune.tasks.spans"]}
    assert "dxtune.tasks.spans" in modules("dxtune.stages.train", chosen)
    assert "dxtune.tasks.spans" not in modules("dxtune.stages.tokenize", chosen), "it chooses by another function"


def test_data_files_count_where_they_are_named_in_code_or_in_one_another() -> None:
    names = [path.name for path in data_files(modules("dxtune.stages.report"))]
    assert names == ["compared.html", "data_card.md", "model_card.md", "report.html", "style.html", "why.html"]
    assert [path.name for path in data_files(modules("dxtune.deid.shard"))] == ["lexicon.tsv.xz", "scorer.npz"]
    assert data_files(modules("dxtune.safety.perturbations")) == []


def test_data_files_beside_the_code_count(source: Path) -> None:
    before = prints(source)
    with (source / "dxtune/deid/scorer.npz").open("ab") as file:
        file.write(b"\0")
    after = prints(source)
    assert before[0] != after[0] and before[1] == after[1]


def test_arguments_of_a_partial_count_and_bytes_only_by_their_hash() -> None:
    assert fingerprint(partial(encode, "a", 5)) == fingerprint(partial(encode, "a", 5))
    others = [partial(encode, "a", 6), partial(encode, "b", 5), partial(work.double, "a"), work.refuse]
    assert len({fingerprint(fn) for fn in [partial(encode, "a", 5), *others]}) == 5
    assert "secret" not in str(canonical((b"secret", 1)))
    with pytest.raises(TypeError, match="found PosixPath"):
        canonical([Path("x")])


def test_a_function_that_no_worker_can_import_is_refused() -> None:
    with pytest.raises(TypeError, match="module-level"):
        fingerprint(lambda frame: frame)
