"""Write down what every stage would run now, so that DVC reruns those for which it is something else: `dxtune fingerprint`.

It comes first and always: reading params.yaml, it also stops at the first wrong setting, before any output is touched.
"""

from dxtune import fingerprints
from dxtune.files import write_json
from dxtune.params import Params
from dxtune.paths import Paths


def run(params: Params, paths: Paths) -> None:
    """Writes locks/fingerprint.json."""
    write_json(fingerprints.record(params, paths), paths.root / fingerprints.RECORD)
