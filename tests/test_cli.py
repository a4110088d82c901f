"""cli.py: a thin command that starts at once and explains what went wrong."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

DXTUNE = str(Path(sys.executable).parent / "dxtune")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([DXTUNE, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_help_loads_none_of_the_heavy_packages(tmp_path: Path) -> None:
    code = (
        "import sys; from dxtune import cli; sys.argv = ['dxtune', '--help']\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'torch', 'transformers', 'polars', 'pydantic'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "collect" in done.stdout
    assert done.stdout.strip().endswith("[]"), done.stdout


def test_data_stages_never_load_torch() -> None:
    stages = ["collect", "deidentify", "preprocess", "tokenize", "report"]
    code = "import sys, importlib\n" + "".join(f"importlib.import_module('dxtune.stages.{name}')\n" for name in stages)
    code += "from dxtune.sources import synthetic, table\nprint('torch' in sys.modules, 'transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_an_error_is_one_message_and_exit_code_1(tmp_path: Path) -> None:
    done = run(tmp_path, "fingerprint")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("ParamsError: expected the settings in params.yaml")
    assert "Traceback" not in done.stderr


def test_the_message_of_an_unexpected_exception_is_not_shown(tmp_path: Path) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    code = (
        "import sys; from dxtune import cli\n"
        "def fail(event, arguments):\n"
        "    if event == 'open' and str(arguments[0]).endswith('params.yaml'): raise KeyError('Mrs. Winterbottom')\n"
        "sys.addaudithook(fail); sys.argv = ['dxtune', 'params', 'show']; cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("unexpected KeyError") and "params.py, line " in done.stderr
    assert "Winterbottom" not in done.stderr and "Traceback" not in done.stderr


def test_a_stage_without_its_input_says_what_to_run(tmp_path: Path) -> None:
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    assert run(tmp_path, "fingerprint").returncode == 0
    for stage in ("deidentify", "preprocess", "tokenize", "report"):
        done = run(tmp_path, stage)
        assert done.returncode == 1, stage
        assert "dvc repro" in done.stderr, (stage, done.stderr)


def test_params_show_and_apply(tmp_path: Path) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    assert "collect.source = 'synthetic'" in run(tmp_path, "params", "show").stdout
    done = run(tmp_path, "params", "apply", str(ROOT / "recipes/minilm_symptoms.yaml"), "collect.path=x.csv")
    assert "collect.source: 'synthetic' -> 'table'" in done.stdout
    assert "collect.source = 'table'" in run(tmp_path, "params", "show").stdout


def test_cache_shows_and_clears_finished_shards(tmp_path: Path) -> None:
    from dxtune.shards import cache
    from dxtune.shards.hashes import Hashes

    cache.keep(tmp_path / ".cache/shards/tokenize/key", {"tokens": (b"x" * 10**6, 3)}, {}, Hashes(tmp_path))
    shown = run(tmp_path, "cache").stdout.splitlines()
    assert shown[0].split()[:5] == ["tokenize", "1", "shards", "1.0", "MB"] and "last used 20" in shown[0]
    assert run(tmp_path, "cache", "--clear").stdout.split()[:5] == ["all", "0", "shards", "0.0", "MB"]
    assert not (tmp_path / ".cache/shards").exists()
