"""One trial: the stage train of a DVC experiment in a folder of its own, watched epoch by epoch, stopped when asked."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dxtune.paths import Paths

POLL_S = 0.2
STOP_S = 60.0
"""How long a trial may take to tidy up after an interrupt, before it is killed."""
OURS = re.compile(r"^(?:Params|Data|Leakage|Model)Error: .*", re.MULTILINE)
OTHERS = re.compile(r"^(\w+(?:\.\w+)*Error)\b", re.MULTILINE)


@dataclass(frozen=True)
class Experiment:
    """A trial under its name in DVC. head: the commit it starts from; log: where its output goes."""

    paths: Paths
    head: str
    name: str
    log: Path

    def run(self, changes: Mapping[str, Any], lock: int, goes_on: Callable[[dict[str, float]], bool]) -> bool:
        """Whether it came to its end by itself, well or not: False where `goes_on`, asked after every epoch, said no.

        changes: settings by key. lock: a file that stays locked as long as the experiment runs, whatever becomes of us.
        goes_on: gets the epoch's row of the validation curve.
        """
        settings = [part for key, value in changes.items() for part in ("-S", f"{key}={json.dumps(value)}")]
        dvc = [sys.executable, "-m", "dvc", "exp", "run", "--temp", "--allow-missing", "--name", self.name, *settings, "train"]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        with self.log.open("w", encoding="utf-8") as log:
            process = subprocess.Popen(  # noqa: S603
                dvc,
                cwd=self.paths.root,
                env=os.environ | {"PATH": path},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[lock],
            )
            seen = 0
            try:
                while process.poll() is None:
                    for row in self.curve()[seen:]:
                        seen += 1
                        if not goes_on(row):
                            return False
                    time.sleep(POLL_S)
            finally:
                _stop(process)
        return True

    def curve(self) -> list[dict[str, float]]:
        """What validation said after each epoch up to now, while it runs or once it is finished."""
        text = self._committed("metrics/plots/validation.csv") or ""
        for path in (self.paths.checkpoints / self.name).glob("*/validation.csv"):
            with suppress(OSError):
                text = path.read_text(encoding="utf-8")
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(text.splitlines())]

    def forget(self) -> None:
        """Removes what a trial that will not be gone on with has left: its checkpoints."""
        shutil.rmtree(self.paths.checkpoints / self.name, ignore_errors=True)

    def metrics(self) -> dict[str, Any] | None:
        """metrics/train.json of the finished experiment, None where there is no such experiment."""
        text = self._committed("metrics/train.json")
        return None if text is None else json.loads(text)

    def reason(self) -> str:
        """Why it failed: our own message, of another error the name alone (its words may be those of a note)."""
        said = self.log.read_text(encoding="utf-8", errors="replace")
        if ours := OURS.findall(said):
            return str(ours[-1])
        others = OTHERS.findall(said)
        return str(others[-1]) if others else "dvc exp run failed"

    def _committed(self, file: str) -> str | None:
        return git(self.paths.root, "show", f"refs/exps/{self.head[:2]}/{self.head[2:]}/{self.name}:{file}")


def git(root: Path, *command: str) -> str | None:
    """What git says, None where it fails."""
    done = subprocess.run(["git", *command], cwd=root, capture_output=True, text=True, check=False)  # noqa: S603, S607
    return done.stdout if done.returncode == 0 else None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Interrupts a trial and waits: DVC removes its folder. One that does not listen is killed, with all that it started."""
    for number in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S)
