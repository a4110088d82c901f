"""The PHI boundary after a full run: looks for every identifier of data/raw in all that the run left or said.

    dvc repro --verbose 2>&1 | tee run.log; dvc push --run-cache --remote REMOTE
    python benchmarks/boundary.py /path/of/remote      # exit code 1 where anything is found; minutes

It searches the project (DVC's cache, .cache, models, metrics, reports, logs and what else is there) and the folders that are
named, as tests/pipeline/test_boundary.py does with a small run: gold spans and patient numbers, in files of any kind, decoded,
token ids too. Not searched are data/raw and the key, .git and .venv, and what git tracks but the results of a run. Only numbers
and names of files are printed.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from tokenizers import Tokenizer

from dxtune.params import load_params
from dxtune.shards import read_corpus
from dxtune.training.base_model import find_base_model

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.pipeline.phi import files_below, of_synthetic

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ("metrics/", "locks/", "dvc.lock")
"""What a run writes that git tracks."""


def main(arguments: list[str] | None = None) -> int:
    """1 where an identifier stands outside data/raw, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    options = parser.parse_args(arguments)
    vocabulary = (find_base_model(load_params(ROOT / "params.yaml").model) / "tokenizer.json").read_text(encoding="utf-8")
    identifiers = of_synthetic(read_corpus(ROOT / "data/raw"), vocabulary)
    print(f"{len(identifiers.values):,} identifiers, and {len(identifiers.unfit):,} too short to be told from other text")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    given = [name for name in tracked if not name.startswith(RESULTS)]
    left_out = ["data/raw", "dxtune.key", ".git", ".venv", ".cache/benchmarks", *given]
    tokenizer = Tokenizer.from_file(str(ROOT / "data/tokens/tokenizer/tokenizer.json"))
    found: dict[str, int] = {}
    for folder, but in [(ROOT, left_out), *((folder, []) for folder in options.folders)]:
        files = files_below(folder, but)
        print(f"{folder.name}: {len(files):,} files, {sum(map(len, files.values())) / 1e6:,.0f} MB")
        found |= {f"{folder}/{name}": count for name, count in identifiers.search(files, tokenizer).items()}
    for name, count in found.items():
        print(f"  {count} in {name}")
    inside = identifiers.search(files_below(ROOT / "data/raw", []), tokenizer)
    print(f"found: {sum(found.values())}; in data/raw itself: {max(inside.values(), default=0):,}")
    return int(bool(found) or not inside)


if __name__ == "__main__":
    sys.exit(main())
