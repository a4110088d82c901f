"""The folder of its own in which DVC runs a queued experiment: a checkout, so that what git ignores is not there."""

import os
import sys
from pathlib import Path

from dxtune.paths import Paths

SOURCE = "source"
"""Where README.md tells to put data and models that git must not see."""


def enter() -> None:
    """Makes a queued experiment's folder one to work in: `source` is a link to the project's, and the code is its own.

    An editable install leads to the project's code, as it is now; DVC records that of the experiment, as it was when queued.
    Returns at once anywhere else.
    """
    here, project = Path.cwd(), Paths().project.resolve()
    if here == project or not (here / "dvc.yaml").is_file():
        return
    if (project / SOURCE).exists() and not (here / SOURCE).exists():
        (here / SOURCE).symlink_to(project / SOURCE)
    own = here / "src"
    if (own / "dxtune").is_dir() and not Path(__file__).resolve().is_relative_to(own):
        path = os.pathsep.join(filter(None, [str(own), os.environ.get("PYTHONPATH")]))
        os.execve(sys.executable, [sys.executable, "-m", "dxtune", *sys.argv[1:]], os.environ | {"PYTHONPATH": path})  # noqa: S606
