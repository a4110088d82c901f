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

    importlib.import_module(f"dxtune.stages.{name}").run(load_params(), Paths())


def _stage(name: str, summary: str) -> None:
    app.command(name, help=summary, rich_help_panel=None)(lambda: _run_stage(name))


_stage("collect", "Stage: notes and labels from the configured source into data/raw.")
_stage("deidentify", "Stage: remove protected health information.")
_stage("preprocess", "Stage: clean, remove duplicates, split by patient.")
_stage("tokenize", "Stage: token ids, once.")
_stage("train", "Stage: fine-tune the base model.")
_stage("evaluate", "Stage: every metric with its interval.")
_stage("probe", "Stage: notes written otherwise, and what the weights give away.")
_stage("explain", "Stage: which words answers rest on, and for whom they are wrong.")
_stage("report", "Stage: cards and the HTML report.")


@app.command()
def check() -> None:
    """Stage: read params.yaml and stop at the first wrong setting."""
    from dxtune.params import load_params
    from dxtune.shards import write_text

    load_params()
    write_text("params.yaml is valid\n", Path("locks/params.ok"))


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
        typer.echo(f"{stage:<12} {kept.shards:>8,} shards {kept.bytes / 1e6:>10,.1f} MB  last used {used:%Y-%m-%d %H:%M}")
    total = sum(kept.bytes for kept in found.values())
    typer.echo(f"{'all':<12} {sum(kept.shards for kept in found.values()):>8,} shards {total / 1e6:>10,.1f} MB  in {folder}")


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
) -> None:
    """Compare two models on the same test notes: each metric, the difference with its interval, and which notes flipped."""
    if as_json and as_md:
        raise typer.BadParameter("one of --json and --md")
    from dxtune import comparing
    from dxtune.params import load_params

    show = comparing.as_json if as_json else comparing.as_markdown if as_md else comparing.as_text
    typer.echo(show(comparing.compare(a, b, load_params(), intersection)))


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
