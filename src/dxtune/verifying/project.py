"""What the checks look at: the project's folder, its git index, and what DVC knows of it. Each is read once."""

import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from dxtune.errors import DataError
from dxtune.params import Params, load_params
from dxtune.paths import Paths


@dataclass(frozen=True)
class Output:
    """An output as dvc.yaml declares it and dvc.lock describes it. md5: None where its stage never ran."""

    stage: str
    path: str
    md5: str | None
    cached: bool
    small: bool
    """A metric or a plot: read by people and programs."""

    @property
    def raw(self) -> bool:
        """Notes as they came: PHI, neither DVC's nor git's."""
        return PurePosixPath(self.path).is_relative_to(Paths().raw.as_posix())


class Project:
    """The project in this folder. Raises DataError where it is none of DVC in git."""

    def __init__(self) -> None:
        self.root = root = Path()
        if not (root / "dvc.yaml").is_file():
            raise DataError("expected a dvc.yaml here, found none: run this in the project's folder")
        self.git("rev-parse", "--git-dir")

    def git(self, *arguments: str, given: bytes | None = None) -> bytes:
        """What a git command prints. Raises DataError where it fails."""
        done = subprocess.run(["git", *arguments], cwd=self.root, input=given, capture_output=True, check=False)  # noqa: S603, S607
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise DataError(f"expected that `git {' '.join(arguments)}` works here, found that it fails: {said}")
        return done.stdout

    @cached_property
    def tracked(self) -> dict[str, str]:
        """The object id of each file in git's index, by path: what a commit would hold."""
        listed = self.git("ls-files", "--stage", "-z").decode().split("\0")
        rows = (row.partition("\t") for row in listed if row)
        return {path: about.split()[1] for about, _, path in rows if not about.startswith("160000")}

    def contents(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Path and content, in git's index, of some tracked files."""
        paths = list(paths)
        answer = self.git("cat-file", "--batch", given="".join(f"{self.tracked[path]}\n" for path in paths).encode())
        at = 0
        for path in paths:
            start = answer.index(b"\n", at) + 1
            at = start + int(answer[at:start].split()[2])
            yield path, answer[start:at]
            at += 1

    @cached_property
    def params(self) -> Params:
        """The settings."""
        return load_params(self.root / "params.yaml")

    @cached_property
    def repo(self) -> Any:
        """DVC's own view."""
        from dvc.repo import Repo

        return Repo()

    @cached_property
    def outputs(self) -> list[Output]:
        """What the stages of dvc.yaml write, in its order."""
        return [
            Output(
                stage.addressing,
                self.path_of(out),
                out.hash_info.value if out.hash_info else None,
                bool(out.use_cache),
                bool(out.is_metric or out.is_plot),
            )
            for stage in self.repo.index.stages
            for out in stage.outs
        ]

    def path_of(self, item: Any) -> str:
        """The path of one of DVC's outputs or dependencies, relative to the project where it is in it."""
        path = Path(item.fs_path)
        return (path.relative_to(self.repo.root_dir) if path.is_relative_to(self.repo.root_dir) else path).as_posix()
