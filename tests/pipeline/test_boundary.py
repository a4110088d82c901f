"""Nothing above the PHI boundary leaves data/raw: every identifier of the raw notes is looked for in all that a run leaves.

Files of the project, of its home and temporary folders, both remotes, and what the stages say; after a run, and after failures.
"""

import gzip
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import polars as pl
import pytest
from moto.server import ThreadedMotoServer
from tokenizers import Tokenizer

from dxtune.shards import ROWS_PER_SHARD, read_corpus
from dxtune.shards.corpus import to_parquet
from tests.pipeline.conftest import Project, set_param, start
from tests.pipeline.phi import Identifiers, files_below, of_synthetic

BUCKET = "remote"
ACCESS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
FAULTS = """
import os, signal, sys

def fail(event, arguments, left=[int(os.environ["FAIL_AT"])]):
    path = str(arguments[0]) if event == "open" else ""
    written = isinstance(arguments[1], str) and set(arguments[1]) & set("wax") if event == "open" else False
    if written and any(f"{folder}/" in path for folder in ("data", "metrics", "models", "reports", ".cache")):
        left[0] -= 1
        if left[0] == 0 and os.environ["FAIL_HOW"] == "terminated":
            os.kill(os.getpid(), signal.SIGTERM)
        elif left[0] == 0:
            raise KeyError(os.environ["FAIL_SAYING"])

sys.addaudithook(fail)
"""
"""A sitecustomize.py: the process fails where it opens a file of an output to write it, for the FAIL_ATth time."""
MOMENTS = {"collect": (1, 4), "deidentify": (1, 6, 12), "preprocess": (1, 8), "tokenize": (1, 3)}
MOMENTS |= dict.fromkeys(("train", "evaluate", "probe", "explain", "previous", "report"), (1,))
"""At which writes a stage fails. The last ones read nothing from before the boundary."""


@dataclass
class Run:
    """A project, what its raw notes must not show anywhere, and all that was said so far."""

    project: Project
    identifiers: Identifiers
    given: frozenset[str]  # files that were there before: code, and the model to start from
    said: list[str] = field(default_factory=list)

    def do(self, *command: str, code: int = 0, **environment: str) -> str:
        """What a command says, and keeps it."""
        own = self.project.environment() | ACCESS | {"TMPDIR": str(self.home / "tmp")} | environment
        done = subprocess.run(command, cwd=self.project.root, env=own, capture_output=True, text=True, check=False)
        self.said.append(done.stdout + done.stderr)
        if done.returncode != code:  # an assert would show what was said
            pytest.fail(f"{command}: expected the exit code {code}, found {done.returncode}", pytrace=False)
        return self.said[-1]

    def fails(self, saying: str, *command: str, code: int, **environment: str) -> bool:
        """Whether a command that fails says some words."""
        return saying in self.do(*command, code=code, **environment)

    @property
    def home(self) -> Path:
        """The folder around the project: the home of its user, and what is written there and in its tmp/."""
        return self.project.root.parent

    def leaks(self) -> dict[str, int]:
        """How many identifiers stand in each file that a run wrote outside data/raw, and in what was said."""
        skipped = [f"project/{name}" for name in ("data/raw", "dxtune.key", ".git", "source", *self.given)]
        files = files_below(self.home, ["local_remote", *skipped]) | {"said": "\n".join(self.said).encode()}
        assert len(files) > 1
        return self.search(files)

    def search(self, files: dict[str, bytes]) -> dict[str, int]:
        """How many identifiers stand in each of some files that holds any."""
        made = self.project.root / "data/tokens/tokenizer/tokenizer.json"
        return self.identifiers.search(files, Tokenizer.from_file(str(made)) if made.is_file() else None)


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """A client of a server with an empty bucket; its address is client.meta.endpoint_url."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {name.lower(): value for name, value in ACCESS.items() if "KEY" in name}
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1", **keys)
    client.create_bucket(Bucket=BUCKET)
    yield client
    server.stop()


def objects(client: Any) -> dict[str, bytes]:
    """All that is in the bucket, read back."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
    return {key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def start_run(folder: Path) -> Run:
    """A project in which nothing has run yet."""
    project = start(folder / "project")
    (folder / "tmp").mkdir()
    given = frozenset(name for name in project.run("git", "ls-files").splitlines() if not name.startswith("locks/"))
    return Run(project, Identifiers(()), given)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, s3: Any) -> Run:
    """The project after its first run and a push to both remotes."""
    run = start_run(tmp_path_factory.mktemp("ran"))
    root = run.project.root
    run.do("dvc", "repro", "--verbose")
    run.do("dvc", "remote", "add", "--local", "s3", f"s3://{BUCKET}/cache")
    run.do("dvc", "remote", "modify", "--local", "s3", "endpointurl", s3.meta.endpoint_url)
    run.do("dvc", "remote", "add", "--local", "local", str(run.home / "local_remote"))
    for remote in ("s3", "local"):
        run.do("dvc", "push", "--verbose", "--run-cache", "--remote", remote)
    vocabulary = (root / "source/tiny/tokenizer.json").read_text(encoding="utf-8")
    run.identifiers = of_synthetic(read_corpus(root / "data/raw"), vocabulary)
    return run


def test_nearly_all_identifiers_are_looked_for(ran: Run) -> None:
    """Not those that other text may hold by chance."""
    searched, unfit = len(ran.identifiers.values), len(ran.identifiers.unfit)
    assert searched > 1800 and unfit < 0.03 * searched, (searched, unfit)


def test_no_file_and_no_output_holds_an_identifier(ran: Run) -> None:
    assert ran.leaks() == {}


def test_no_remote_holds_an_identifier_or_a_raw_file(ran: Run, s3: Any) -> None:
    cached = files_below(ran.project.root / ".dvc/cache", [])
    shards = files_below(ran.project.root / "data/raw", [])  # a manifest only counts, and may be that of data/deidentified, too
    raw = {hashlib.md5(data).hexdigest() for name, data in shards.items() if name.endswith(".parquet")}
    remotes = {"s3": objects(s3), "local": files_below(ran.home / "local_remote", [])}
    for name, found in remotes.items():
        assert len(found) > 30 and set(found.values()) <= set(cached.values()), name
        assert ran.search(found) == {}, name
        assert not raw & {hashlib.md5(data).hexdigest() for data in found.values()}, name


def zipped(data: bytes) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside", data)
    return buffer.getvalue()


def planted(ran: Run) -> dict[str, bytes]:
    """Files with a sentence in them in which an identifier of a raw note stands."""
    raw = read_corpus(ran.project.root / "data/raw")
    text = next(text for text in raw["text"] if ran.identifiers.find(text.encode()))
    table = pl.DataFrame({"note_id": ["n1"], "inner": [[{"text": text}]]})
    tokenizer = Tokenizer.from_file(str(ran.project.root / "data/tokens/tokenizer/tokenizer.json"))
    return {
        "parquet": to_parquet(table),
        "tokens": to_parquet(pl.DataFrame({"input_ids": [tokenizer.encode(each).ids for each in raw["text"]]})),
        "log": f"12:00:01 INFO {text}\n".upper().encode(),
        "json": json.dumps({"name": text}).replace("e", r"\u0065").encode(),
        "html": f"<p>{text.replace('a', '&#97;')}</p>".encode(),
        "safetensors": b"\x80\x00\x00" + text.encode() + bytes(range(256)),
        "zip": zipped(to_parquet(table)),
        "gzip": gzip.compress(text.encode()),
    }


def test_what_is_planted_is_found(ran: Run, s3: Any) -> None:
    kinds = planted(ran)
    found = ran.search(kinds)
    assert found.keys() == kinds.keys()
    places = ("project/.dvc/cache/files/md5/00/planted", "project/metrics/planted", "tmp/planted")
    aside = [ran.home / place for place in places]
    for path in aside:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(kinds["parquet"])
    s3.put_object(Bucket=BUCKET, Key="cache/planted", Body=kinds["zip"])
    try:
        assert ran.leaks().keys() == set(places)
        assert ran.search(objects(s3)).keys() == {"cache/planted"}
    finally:
        s3.delete_object(Bucket=BUCKET, Key="cache/planted")
        for path in aside:
            path.unlink()
    ran.said.append(kinds["log"].decode())
    assert ran.leaks().keys() == {"said"}
    ran.said.pop()


def test_stages_that_fail_half_way_say_and_leave_nothing(ran: Run, tmp_path: Path) -> None:
    """As if a library quoted a note in its exception; at several moments, and once told to stop."""
    root = ran.project.root
    note = next(text for text in read_corpus(root / "data/raw")["text"] if ran.identifiers.find(text.encode()))
    (tmp_path / "sitecustomize.py").write_text(FAULTS)
    fault = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{root / 'src'}", "FAIL_SAYING": note}
    for stage, moments in MOMENTS.items():
        for moment, how in [(moment, "raised") for moment in moments] + [(moments[-1], "terminated")] * (len(moments) > 1):
            shutil.rmtree(root / ".cache/shards" / stage, ignore_errors=True)
            (root / "data/raw/pieces.json").unlink(missing_ok=True)
            words, code = ("unexpected KeyError", 1) if how == "raised" else ("", -signal.SIGTERM)
            failed = ran.fails(words, "dxtune", stage, code=code, FAIL_AT=str(moment), FAIL_HOW=how, **fault)
            assert failed, (stage, moment)
        if len(moments) > 1:
            ran.do("dxtune", stage)
    assert ran.leaks() == {}


ROWS = ROWS_PER_SHARD + 60  # two shards, for two workers
SYLLABLES = ("bri", "mol", "das", "kes", "tav", "zor", "lun", "pem", "ga", "thi")
BUGS = {
    "sources/store.py": ("    batch = piece.read()\n", "    raise KeyError(str(piece.read().records.rows()[0]))\n"),
    "deid/shard.py": ("    found, table, shared, taken = _look(how, raw, None)\n", "    raise KeyError(raw['text'][0])\n"),
}
"""Of a module: a line, and one that quotes a note to stand in its place."""


def write_table(path: Path, key: str) -> Identifiers:
    """Writes a table of patients, with identifiers in columns of their own and in the notes; what must stand nowhere."""
    rng = random.Random(7)
    values, lines = [key], ["name,mrn,street,sex,diagnosis,note"]
    for row in range(ROWS):
        name = " ".join("".join(rng.choices(SYLLABLES, k=4)).capitalize() for _ in range(2))
        mrn, street = str(rng.randrange(10**7, 10**8)), f"{rng.randrange(100, 999)} {''.join(rng.choices(SYLLABLES, k=4))} lane"
        note = f"{name} (MRN {mrn}) of {street} came with {('fever', 'a cough')[row % 2]} since {rng.randrange(99)} days."
        lines.append(f"{name},{mrn},{street},{'fm'[row % 2]},{('flu', 'cold')[row % 2]},{note}")
        values += [name, *name.split(), mrn, street]
    path.write_text("\n".join(lines) + "\n")
    return Identifiers(values)


@pytest.fixture
def table(tmp_path: Path) -> Run:
    """A project with a table of patients as its source."""
    run = start_run(tmp_path)
    root = run.project.root
    own = {"source": "table", "path": "source/notes.csv", "text_column": "note", "label_column": "diagnosis"}
    own |= {"patient_column": "mrn", "identifier_columns": "[name, mrn, street]", "subgroup_columns": "[sex]"}
    for name, value in own.items():
        set_param(root, "collect", name, value)
    run.do("dxtune", "key")
    run.identifiers = write_table(root / "source/notes.csv", (root / "dxtune.key").read_text().strip())
    return run


def test_a_table_of_patients_in_stages_that_fail_and_then_do_not(table: Run) -> None:
    root = table.project.root
    source = root / "source/notes.csv"
    sound = source.read_text()
    lines = sound.splitlines()
    for broken in (sound.replace(",flu,", ",flu,,"), sound.replace(lines[40], f'"{lines[40]}'), "\n".join(lines[1:]) + "\n"):
        source.write_text(broken)
        assert table.fails("DataError", "dvc", "repro", "deidentify", code=255)
    source.write_bytes(sound.encode().replace(b"fever", b"f\xe9ver", 1))
    assert table.fails("DataError", "dvc", "repro", "deidentify", code=255)
    source.write_text(sound)
    for name, (line, bug) in BUGS.items():
        module = root / "src/dxtune" / name
        code = module.read_text()
        module.write_text(code.replace(line, bug))
        assert table.fails("unexpected KeyError", "dvc", "repro", "--verbose", "deidentify", code=255), name
        module.write_text(code)
    assert table.leaks() == {}

    table.do("dvc", "repro", "deidentify")
    table.do("dvc", "remote", "add", "--local", "--default", "local", str(table.home / "local_remote"))
    table.do("dvc", "push")
    remote = files_below(table.home / "local_remote", [])
    assert remote and table.search(remote) == {} and table.leaks() == {}
    assert table.search(files_below(root / "data/raw", [])), "there it is"
