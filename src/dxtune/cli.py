"""The `dxtune` command: one verb for each stage, and what people do beside the pipeline. Parses, calls, prints."""

import importlib
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from dxtune import workspace
from dxtune.errors import DxtuneError, unexpected

app = typer.Typer(
    help="Fine-tune an open language model for diagnosis from clinical text. The pipeline itself is run by: dvc repro",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
params_app = typer.Typer(help="Look at the settings, or apply a recipe.", no_args_is_help=True)
app.add_typer(params_app, name="params")


def _run_stage(name: str) -> None:
    from dxtune.params import load_params
    from dxtune.paths import Paths

    params, paths = load_params(), Paths()
    os.environ.setdefault("POLARS_MAX_THREADS", str(params.data.workers))  # read once, when polars is loaded: by the next line
    from dxtune.guard import honest

    with honest(name, params, paths):
        importlib.import_module(f"dxtune.stages.{name}").run(params, paths)


def _stage(name: str, summary: str) -> None:
    app.command(name, help=summary, rich_help_panel=None)(lambda: _run_stage(name))


@app.command()
def fingerprint() -> None:
    """Stage: what every stage would run now; stops at the first wrong setting."""
    from dxtune.params import load_params
    from dxtune.paths import Paths
    from dxtune.stages import fingerprint as stage

    stage.run(load_params(), Paths())


_stage("collect", "Stage: notes and labels from the configured source into data/raw.")
_stage("deidentify", "Stage: remove protected health information.")
_stage("preprocess", "Stage: clean, remove duplicates, split by patient.")
_stage("tokenize", "Stage: token ids, once.")
_stage("train", "Stage: fine-tune the base model.")
_stage("evaluate", "Stage: every metric with its interval.")
_stage("probe", "Stage: notes written otherwise, and what the weights give away.")
_stage("explain", "Stage: which words answers rest on, and for whom they are wrong.")
_stage("previous", "Stage: the model beside that of the last commit.")
_stage("report", "Stage: cards and the HTML report.")


@app.command("key")
def key_() -> None:
    """Make the secret key of de-identification if there is none, and record the fingerprint of the one in use."""
    from dxtune.deid import key

    root = Path()
    if not os.environ.get("DXTUNE_DEID_KEY") and key.create(root):
        typer.echo("made dxtune.key (mode 600): keep it out of git, and back it up where only you can read it")
    typer.echo(f"{key.RECORD}: {key.record(root, key.secret_key(root))}")


@app.command("cache")
def cache_(
    clear: Annotated[bool, typer.Option("--clear", help="Remove all of it: the next run makes every shard again.")] = False,
) -> None:
    """Show the finished shards that are kept for the next run, by stage: number, size, last use. The limit is data.cache_gb."""
    from datetime import datetime

    from dxtune.paths import Paths
    from dxtune.shards import cache

    folder = Paths().shard_cache
    if clear:
        cache.clear(folder)
    for stage, kept in (found := cache.usage(folder)).items():
        used = datetime.fromtimestamp(kept.last_use).astimezone()
        typer.echo(f"{stage:<18} {kept.shards:>8,} shards {kept.bytes / 1e6:>10,.1f} MB  last used {used:%Y-%m-%d %H:%M}")
    total = sum(kept.bytes for kept in found.values())
    typer.echo(f"{'all':<18} {sum(kept.shards for kept in found.values()):>8,} shards {total / 1e6:>10,.1f} MB  in {folder}")


@app.command("deid-eval")
def deid_eval(
    gold: Annotated[
        Path, typer.Argument(help="Annotated notes, a JSON object a line: id, text, spans [[start, end, type], ...].")
    ],
    worst: Annotated[int, typer.Option(help="How many misses to list.")] = 20,
    show_text: Annotated[bool, typer.Option("--show-text", help="Show the text of misses: it is PHI.")] = False,
) -> None:
    """Score the de-identifier on notes of your own: recall by type with its lower bound, what is lost, the worst misses."""
    from dxtune.deid import Deidentifier, evaluation, key

    scores = evaluation.evaluate(gold, Deidentifier(key.public_key()))
    typer.echo(evaluation.report(scores, show_text, worst))


@app.command()
def predict(
    file: Annotated[Path, typer.Argument(help="Text file with one note, or - for standard input.")],
    question: Annotated[str | None, typer.Option(help="About the note, if the model was trained with questions.")] = None,
    model: Annotated[Path, typer.Option(help="Folder of a fine-tuned model.")] = Path("models/final"),
) -> None:
    """Print what a fine-tuned model says of one note: labels with probabilities, or an answer. Not a medical device."""
    from dxtune.errors import DataError
    from dxtune.predict import Predictor

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{file}: expected a readable UTF-8 text file ({type(error).__name__}): name another, or - for stdin"
        ) from None
    typer.echo(Predictor(model).predict([text], None if question is None else [question])[0])


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="Branch, tag, commit or experiment: what is compared with.")] = "main",
    b: Annotated[str, typer.Argument(help="The same, or workspace: what changed.")] = "workspace",
    intersection: Annotated[
        bool, typer.Option("--intersection", help="Where the test sets differ: the notes in both.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For a program. No counts under 10 patients.")] = False,
    as_md: Annotated[bool, typer.Option("--md", help="For a pull request. No counts under 10 patients.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write the report with the comparison in it to this file.")] = None,
) -> None:
    """Compare two models on the same test notes: each metric, the difference with its interval, and which notes flipped."""
    from dxtune.comparing import page, show
    from dxtune.comparing.compare import compare as compared
    from dxtune.files import write_text
    from dxtune.params import load_params
    from dxtune.paths import Paths

    if as_json + as_md + (html is not None) > 1:
        raise typer.BadParameter("one of --json, --md and --html")
    if html is not None:
        if b != "workspace" or Paths().reports.resolve() in html.resolve().parents:
            raise typer.BadParameter("--html writes the report of the workspace: leave out B, and name a file outside reports")
        params = load_params()
        write_text(page.as_page(compared(a, b, params, intersection), params, Paths()), html)
        return

    said = show.as_json if as_json else show.as_markdown if as_md else show.as_text
    typer.echo(said(compared(a, b, load_params(), intersection)))


@app.command()
def verify(
    gates: Annotated[bool, typer.Option("--gates", help="A release gate that was not passed is an error, too.")] = False,
    twice: Annotated[bool, typer.Option("--twice", help="Build it all again in a scratch clone, and compare bytes.")] = False,
    staged: Annotated[bool, typer.Option("--staged", help="Only what the next commit brings in: for a hook of git.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
) -> None:
    """Check that the commit is what it says: lock, outputs, gates, PHI boundary, versions. Exit code 1 where a check fails."""
    if staged and (gates or twice):
        raise typer.BadParameter("--staged looks at files alone: without --gates and --twice")
    from dxtune import verifying

    outcomes = verifying.verify_staged() if staged else verifying.verify(gates, twice)
    typer.echo((verifying.as_json if as_json else verifying.as_text)(outcomes))
    if not verifying.passed(outcomes):
        sys.exit(1)


@app.command()
def lineage(
    target: Annotated[
        str, typer.Argument(metavar="[FILE|FILE:METRIC]", help="Such as metrics/evaluate.json:test.macro_f1.")
    ] = "models/final",
    as_json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
    as_prov: Annotated[bool, typer.Option("--prov", help="For a program: W3C PROV-JSON.")] = False,
) -> None:
    """Show what a model, file or metric was made of, stage by stage: files, settings, code, packages, source, commit."""
    if as_json and as_prov:
        raise typer.BadParameter("one of --json and --prov")
    from dxtune import lineage

    show = lineage.as_json if as_json else lineage.as_prov if as_prov else lineage.as_text
    typer.echo(show(lineage.trace(target)))


@app.command("lock-merge")
def lock_merge(
    base: Annotated[Path, typer.Argument(help="%O: dvc.lock as it was where the branches parted.")],
    ours: Annotated[Path, typer.Argument(help="%A: ours; the merge is written into it.")],
    theirs: Annotated[Path, typer.Argument(help="%B: theirs.")],
) -> None:
    """Merge dvc.lock stage by stage: for git, as its merge driver. Exit code 1 where a stage must run before the commit."""
    from dxtune.lock import merge

    if both := merge(base, ours, theirs):
        typer.echo(f"dvc.lock: both branches changed {', '.join(both)}: they are left out. To end the merge:", err=True)
        typer.echo("dvc checkout --allow-missing; dvc repro; git add dvc.lock locks metrics; git commit", err=True)
        sys.exit(1)


@app.command()
def sweep(
    search: Annotated[
        list[str],
        typer.Option("-S", help="'train.lr=log(1e-5,1e-4)', 'train.epochs=range(2,5)', 'train.batch_size=[8,16]', ..."),
    ],
    trials: Annotated[int, typer.Option(min=1, help="How many in all; the same command again goes on up to there.")] = 20,
    metric: Annotated[
        str | None, typer.Option(help="What to maximise: validation_macro_f1, ...; the one that train keeps an epoch by.")
    ] = None,
    name: Annotated[str, typer.Option(help="Its experiments are called NAME-000, NAME-001 ...")] = "sweep",
    seed: Annotated[int, typer.Option(min=0, help="Of the choice of settings.")] = 13,
) -> None:
    """Search settings: every trial is a DVC experiment, hopeless ones are stopped early, the best on validation is named."""
    import signal

    from dxtune.paths import Paths
    from dxtune.sweep.start import prepare

    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job ignores the first, and so would its trials
        signal.signal(number, signal.default_int_handler)
    try:
        with prepare(search, metric, name, seed, Paths()) as ready:
            for line in ready.run(trials):
                typer.echo(line)
    except KeyboardInterrupt:
        typer.echo("stopped: the same command goes on from here", err=True)
        sys.exit(130)


@params_app.command("show")
def params_show() -> None:
    """Print every setting as it is read, one key = value a line."""
    from dxtune.params import load_params

    for section, values in load_params().model_dump().items():
        if isinstance(values, dict):
            for key, value in values.items():
                typer.echo(f"{section}.{key} = {value!r}")
        else:
            typer.echo(f"{section} = {values!r}")


@params_app.command("apply")
def params_apply(
    recipe: Annotated[Path, typer.Argument(help="A file of recipes/.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="KEY=VALUE, such as collect.path=my/notes.csv")] = None,
) -> None:
    """Write a recipe's settings into params.yaml, comments kept; nothing is written if the result is not valid."""
    from dxtune.recipes import apply_recipe

    for line in apply_recipe(recipe, overrides or [], Path("params.yaml")):
        typer.echo(line)


def main() -> NoReturn:
    """Runs the command: exit code 0, 1 on an error (DxtuneError: its message on stderr; others: where), 2 on wrong usage."""
    try:
        workspace.enter()
        app()
    except SystemExit:
        raise
    except DxtuneError as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(1)
    except BaseException as error:  # a panic of polars is no Exception
        typer.echo(unexpected(error), err=True)
        sys.exit(1)
    sys.exit(0)
