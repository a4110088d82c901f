"""A stage between two looks at what it depends on. tests/pipeline/test_dvc.py does it with the real dvc."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dxtune import fingerprints
from dxtune.errors import DataError, ParamsError
from dxtune.files import write_json
from dxtune.guard import honest
from dxtune.params import Params, load_params
from dxtune.paths import Paths
from tests.conftest import ROOT
from tests.pipeline.conftest import set_param

MEANWHILE = "expected nothing that it depends on to change while it ran"


@pytest.fixture(scope="module")
def recorded() -> dict[str, object]:
    return fingerprints.record(load_params(ROOT / "params.yaml"), Paths(ROOT))


@pytest.fixture
def paths(tmp_path: Path, recorded: dict[str, object]) -> Paths:
    """A project before its stage collect."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/a.csv").write_text("text,label\n")
    set_param(tmp_path, "collect", "path", "notes")
    write_json(recorded, tmp_path / fingerprints.RECORD)
    return Paths(tmp_path)


def params_of(paths: Paths) -> Params:
    return load_params(paths.root / "params.yaml")


def run(paths: Paths, work: Callable[[], object]) -> None:
    with honest("collect", params_of(paths), paths):
        work()


def test_a_stage_that_nothing_happens_to_is_recorded(paths: Paths) -> None:
    paths.raw.mkdir(parents=True)
    run(paths, lambda: set_param(paths.root, "train", "lr", 0.1))
    assert paths.raw.exists()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda root: (root / "notes/a.csv").write_text("text,label\nx,y\n"), "notes/a.csv"),
        (lambda root: (root / "notes/b.csv").touch(), "notes/b.csv"),
        (lambda root: (root / "notes/a.csv").unlink(), "notes/a.csv"),
        (lambda root: set_param(root, "collect", "seed", 14), "collect.seed"),
    ],
    ids=["edited", "new", "gone", "setting"],
)
def test_what_changes_is_named_and_what_was_made_is_not_used_again(
    paths: Paths, change: Callable[[Path], object], name: str
) -> None:
    for made in (paths.raw, paths.shard_cache / "collect", paths.shard_cache / "tokenize"):
        made.mkdir(parents=True)
    with pytest.raises(DataError, match=rf"^collect: {MEANWHILE}, but .*{name} did"):
        run(paths, lambda: change(paths.root))
    assert [each.exists() for each in (paths.raw, paths.shard_cache / "collect", paths.shard_cache / "tokenize")] == [0, 0, 1]


def test_settings_that_become_wrong_are_named(paths: Paths) -> None:
    with pytest.raises(ParamsError, match=r"collect\.seed"):
        run(paths, lambda: set_param(paths.root, "collect", "seed", "many"))


def test_a_stage_that_others_did_the_work_of_is_looked_at_too(paths: Paths) -> None:
    run(paths, lambda: sys.exit(0))
    with pytest.raises(DataError, match=MEANWHILE):
        run(paths, lambda: (set_param(paths.root, "collect", "seed", 14), sys.exit(0)))
    with pytest.raises(SystemExit) as ended:
        run(paths, lambda: sys.exit(143))
    assert ended.value.code == 143


def test_an_error_of_the_stage_itself_comes_through(paths: Paths) -> None:
    def fail() -> None:
        set_param(paths.root, "collect", "seed", 14)
        raise DataError("of the stage")

    with pytest.raises(DataError, match=r"^of the stage$"):
        run(paths, fail)


def test_a_fingerprint_that_is_absent_or_of_something_else_stops_it_first(paths: Paths) -> None:
    for content in ({"code": {"collect": "another"}}, None):
        (paths.root / fingerprints.RECORD).unlink()
        if content:
            write_json(content, paths.root / fingerprints.RECORD)
        with pytest.raises(DataError, match=r"collect: expected locks/fingerprint\.json to say what is about .* run dvc repro"):
            run(paths, lambda: pytest.fail("it ran"))


def test_a_folder_without_a_pipeline_is_named(tmp_path: Path, paths: Paths) -> None:
    (paths.root / "dvc.yaml").unlink()
    with pytest.raises(DataError, match=r"expected the pipeline in .*dvc.yaml, found no such file"):
        run(paths, lambda: None)
