"""The whole pipeline while the machine fails: what is run again ends in the dvc.lock of an unbroken run.

    python benchmarks/crash_drill.py                        # 50 kills and the rest, in a scratch project with a tiny model
    python benchmarks/crash_drill.py --kills 5 --only kills

kills      SIGKILL to all processes of `dvc repro`, at random moments. Where it ends before, all that it made is removed.
disk       The disk is full while stages write: a small tmpfs for root, else no file may be larger than a limit (RLIMIT_FSIZE).
read-only  data/, metrics/, models/ or .cache/ cannot be written: a read-only mount for root, else their modes.
clock      The clock jumps by years between runs that are killed (the program `faketime`; else files get times to come).
two        Two `dvc repro` at once.

A run that cannot go on must say why, without a traceback. Then what stood in its way is removed, and `dvc repro` must end well,
with the same bytes in dvc.lock.
"""

import argparse
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.pipeline.conftest import Project, start

DRILLS = ("kills", "disk", "read-only", "clock", "two")
OUTPUTS = ("data", "metrics", "models", ".cache")
YEARS = ("+1200d", "-1200d", "+30d")
ROOM = (0.05, 0.2, 0.4, 0.6, 0.8)
LARGEST_FILE = (1_000, 20_000, 100_000)
PLENTY = 1 << 30
OWN_LOCK = ".dvc/tmp/rwlock"
ROOT_USER = os.geteuid() == 0


class Outcome(NamedTuple):
    """How many runs were broken, what the last of them said, and whether all ended as they must."""

    broken: int
    said: str
    well: bool


def begin(project: Project, *before: str, **options: Any) -> "subprocess.Popen[str]":
    """Starts `dvc repro`, behind a command such as faketime, in a process group of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    return subprocess.Popen([*before, "dvc", "repro"], cwd=project.root, env=project.environment(), **pipes, **options)


def kill(project: Project, after: float, *before: str) -> bool:
    """Whether a run was still at work after some seconds, when all of its processes were killed. Raises where it had failed.

    DVC does not write its own lock aside: a kill at that moment leaves an empty one, which the next run says it cannot read
    (treeverse/dvc#7615). And a killed run that nobody has waited for, the child of `faketime`, counts as one that still holds
    it. Both errors name the file: it is removed, and the run begins again.
    """
    process = begin(project, *before)
    try:
        said, _ = process.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True
    if process.returncode and OWN_LOCK in said:
        print(f"  {explained(said)}", flush=True)
        (project.root / OWN_LOCK).unlink()
        return kill(project, after, *before)
    if process.returncode:
        raise RuntimeError(f"expected a run that ends well, found exit code {process.returncode}:\n{said}")
    return False


def lock(project: Project) -> bytes:
    """The bytes of dvc.lock once `dvc repro` has run to its end. Raises RuntimeError where it fails."""
    kill(project, 3600)
    return (project.root / "dvc.lock").read_bytes()


def forget(project: Project) -> None:
    """Removes all that was made: outputs, caches, and what dvc remembers."""
    project.run("git", "clean", "--quiet", "-dffx", "--exclude=/source")
    (project.root / "dvc.lock").unlink(missing_ok=True)
    shutil.rmtree(project.root / "metrics", ignore_errors=True)


def kills(project: Project, expected: bytes, seconds: float, count: int) -> Outcome:
    """`count` runs killed, each after less than `seconds`."""
    rng = random.Random()
    moments: list[float] = []
    forget(project)
    while len(moments) < count:
        after = rng.uniform(0, seconds)
        if kill(project, after):
            moments.append(after)
            print(f"  {len(moments)}: killed after {after:.1f} s", flush=True)
        else:
            forget(project)
    said = f"killed after {', '.join(f'{moment:.1f}' for moment in moments[:5])} ... s"
    return Outcome(count, said, lock(project) == expected)


def explained(said: str) -> str:
    """The error that a run ended with, in one line; empty where there is none, or a traceback."""
    found = [
        line for line in map(str.strip, said.splitlines()) if "Error: " in line or line.startswith(("unexpected ", "ERROR: "))
    ]
    return found[0] if found and "Traceback" not in said else ""


def broken(project: Project, expected: bytes, breaks: list[AbstractContextManager[dict[str, Any]]]) -> Outcome:
    """A run from the start inside each break, which gives options for its process, and then one outside."""
    hits, said, well = 0, "no run was broken", True
    for each in breaks:
        forget(project)
        with each as options:
            process = begin(project, **options)
            words, _ = process.communicate()
        if process.returncode:
            hits, said = hits + 1, explained(words)
            well = well and bool(said)
            print(f"  {said or 'NOT EXPLAINED: ' + words[-3000:]}", flush=True)
        well = lock(project) == expected and well
    return Outcome(hits, said, well)


def mount(*arguments: object) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


@contextmanager
def full(place: Path, size: int) -> Iterator[dict[str, Any]]:
    """A mounted tmpfs that has no more than `size` bytes."""
    mount("-o", f"remount,size={size}", place)
    yield {}
    mount("-o", f"remount,size={PLENTY}", place)


def disk(project: Project, expected: bytes) -> Outcome:
    """No room left, at some shares of what a run writes."""
    if not ROOT_USER:
        limits = [partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, size)) for size in LARGEST_FILE]
        return broken(project, expected, [nullcontext({"preexec_fn": limit}) for limit in limits])
    made = size_of(project.root)
    forget(project)
    left = size_of(project.root)
    place = project.root.with_name("tmpfs")
    place.mkdir()
    mount("-t", "tmpfs", "-o", f"size={PLENTY}", "none", place)
    try:
        shutil.copytree(project.root, place / "project", symlinks=True)
        sizes = [int(left + share * (made - left)) for share in ROOM]
        return broken(Project(place / "project"), expected, [full(place, size) for size in sizes])
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def size_of(folder: Path) -> int:
    """The bytes that files take in pages of 4 KB, a link to another file as well."""
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.rglob("*") if path.is_file())


@contextmanager
def read_only(folder: Path) -> Iterator[dict[str, Any]]:
    """A folder that nobody can write to."""
    folder.mkdir(exist_ok=True)
    if ROOT_USER:
        mount("--bind", folder, folder)
        mount("-o", "remount,bind,ro", folder)
    else:
        folder.chmod(0o500)
    yield {}
    if ROOT_USER:
        subprocess.run(["umount", folder], check=True)
    else:
        folder.chmod(0o700)


def clock(project: Project, expected: bytes, seconds: float) -> Outcome:
    """Runs that are killed half-way and go on in another year, under another one each time, then today."""
    forget(project)
    hits = 0
    for years in YEARS:
        if shutil.which("faketime"):
            hits += kill(project, seconds, "faketime", "-m", "-f", years)
        else:
            hits += kill(project, seconds)
            for path in project.root.rglob("*"):
                os.utime(path, (time.time() + 1e8,) * 2)
    way = "faketime " + ", ".join(YEARS) if shutil.which("faketime") else "files with times to come"
    return Outcome(hits, way, lock(project) == expected)


def two(project: Project, expected: bytes) -> Outcome:
    """Two runs at once: both may end well, or one with an error."""
    forget(project)
    processes = [begin(project) for _ in range(2)]
    words = [process.communicate()[0] for process in processes]
    failed = [said for process, said in zip(processes, words, strict=True) if process.returncode]
    said = explained(failed[0]) if failed else "both ended well"
    return Outcome(len(failed), said or f"NOT EXPLAINED: {failed[0][-3000:]}", bool(said) and lock(project) == expected)


def main(arguments: list[str] | None = None) -> bool:
    """Whether all drills ended as they must."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--only", choices=DRILLS, nargs="+", default=DRILLS)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        project = start(Path(folder) / "project")
        started = time.monotonic()
        expected = lock(project)
        seconds = time.monotonic() - started
        print(f"an unbroken run: {seconds:.0f} s", flush=True)
        ways = {
            "kills": partial(kills, seconds=seconds / 3, count=options.kills),
            "disk": disk,
            "read-only": partial(broken, breaks=[read_only(project.root / name) for name in OUTPUTS]),
            "clock": partial(clock, seconds=seconds / 4),
            "two": two,
        }
        outcomes = {}
        for name in options.only:
            outcomes[name] = ways[name](project, expected)
            print(f"{name}: {outcomes[name]}", flush=True)
    print(f"\n{'drill':<10} {'broken runs':>11} {'same dvc.lock':>13}  what the last one said")
    for name, outcome in outcomes.items():
        print(f"{name:<10} {outcome.broken:>11} {'yes' if outcome.well else 'NO':>13}  {outcome.said}")
    return all(outcome.well for outcome in outcomes.values())


if __name__ == "__main__":
    sys.exit(not main())
