"""Hold the model beside that of the last commit with other figures: `dxtune previous`.

The one stage that looks into the history of git and the cache of DVC, where the answers of that commit are.
"""

from dxtune.comparing.previous import beside_last
from dxtune.files import read_json, write_json
from dxtune.params import Params
from dxtune.paths import Paths


def run(params: Params, paths: Paths) -> None:
    """Writes metrics/previous.json, and leaves one that is of the same figures and the same commit."""
    recorded = read_json(paths.previous) if paths.previous.is_file() else {}
    write_json(beside_last(recorded, params, paths), paths.previous)
