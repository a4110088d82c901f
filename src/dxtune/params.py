"""params.yaml as frozen, validated objects: `load_params()` is the only way in.

params.yaml is the only source of settings: no field here has a default, so that no default is written twice.
"""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dxtune.errors import ParamsError

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Target = Literal["sensitivity", "specificity", "risk", "coverage"]
SPLITS = ("train", "validation", "test")
FEWEST_CANARIES = 10
PUBMED_COLUMNS = ("journal", "language")
TASK_KEYS = {
    "label_separator": ("multilabel",),
    "question_column": ("classification", "question-answering"),
    "answer_start_column": ("question-answering",),
}


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, use_attribute_docstrings=True)


class Collect(_Section):
    """Where records come from."""

    source: Literal["synthetic", "table", "mimic3", "mimic4", "pubmed", "hub"]
    """The kind of source: one module of dxtune.sources."""
    path: str
    """The file or folder that the source reads; DVC watches it."""
    files: str
    """Glob of the files inside a folder `path`."""
    text_column: str
    """Column with the clinical text."""
    label_column: str
    """Column with the diagnosis; question-answering: with the answer; generation: with the response."""
    label_separator: str | None
    """Multilabel: what stands between the labels of a string; null: the column holds lists."""
    question_column: str | None
    """Column with a question about the text; question-answering needs it, classification may have it."""
    answer_start_column: str | None
    """Question-answering: column with the answer's offset in the text; null: where the answer first stands."""
    date_column: str | None
    """Column with the note's date, year first (ISO 8601)."""
    patient_column: str | None
    """Column that tells patients apart; null: every note is its own patient."""
    note_id_column: str | None
    """Column with a unique id; null: derived from the file and the row."""
    split_column: str | None
    """Column that names each row's split."""
    splits: dict[Literal["train", "validation", "test"], str]
    """A file (or glob) inside `path` for each split."""
    subgroup_columns: tuple[str, ...]
    """Columns by which results are broken down."""
    identifier_columns: tuple[str, ...]
    """Columns whose values (patient name, MRN, address) are masked wherever they stand in the notes, and go no further."""
    mimic_label: Literal["icd_codes", "icd_chapters", "primary_group", "mortality", "readmission_30d"]
    """MIMIC: what is predicted of a note's admission; icd_codes and icd_chapters are multi-label."""
    mimic_top_k: Positive
    """MIMIC, icd_codes: how many of the most frequent codes are labels."""
    note_categories: tuple[str, ...]
    """MIMIC: categories (MIMIC-III) or note types (MIMIC-IV) to keep; empty: all. Others are left out and counted."""
    allow_outcome_notes: bool
    """MIMIC: keep notes that state the label or were written after it was known."""
    max_quarantined_share: Share
    """More unusable rows than this share stop the run."""
    pubmed_labels: Literal["mesh", "publication_types"]
    """PubMed: which headings of a citation are its labels."""
    pubmed_classes: tuple[str, ...] | Annotated[int, Field(ge=2)]
    """PubMed: the headings that are classes; a number: so many of the most frequent ones (multilabel)."""
    hub_name: str | None
    """Hub: the id of a dataset; null: the folder `path` has the layout of one."""
    hub_config: str | None
    """Hub: the configuration (subset) of the dataset; null: its default."""
    hub_revision: str | None
    """Hub: the commit hash of `hub_name`."""
    notes: Annotated[int, Field(ge=50)]
    """How many synthetic notes to write."""
    seed: Annotated[int, Field(ge=0)]
    """Of the synthetic source."""


class Data(_Section):
    """Where and on what the data stages work; no byte that they write depends on it."""

    workers: Positive
    """Processes that work on shards at the same time; each needs up to 700 MB."""
    engine: Literal["local", "ray"]
    """Processes of this machine, or tasks of a Ray cluster."""
    ray_address: str | None
    """Of the cluster, such as ray://host:10001 or auto; null: one is started on this machine for the run."""
    cache_gb: Annotated[float, Field(gt=0)]
    """Finished shards are kept up to this size; what was not used for longest goes first."""


class Deidentify(_Section):
    """How protected health information is removed."""

    key: Literal["secret", "public"]
    """Whose key makes the pseudonyms: yours, or the one everybody knows (open data only)."""
    style: Literal["placeholder", "surrogate"]
    """What stands for an identifier: its type ([NAME]), or a made-up value of its kind."""
    dates: Literal["year", "shift"]
    """Of surrogates: the year alone (Safe Harbor), or the date moved by whole weeks, one offset a patient (Expert
    Determination)."""
    vote: Literal["none", "spacy", "transformers"]
    """A second opinion on sentences with doubtful words; it only adds."""
    vote_model: str | None
    """Of the second opinion: a spaCy package, a local folder, or a Hub id."""
    vote_revision: str | None
    """The commit hash of a Hub id."""
    min_full_recall: Share
    """Synthetic notes: the least share of gold spans that must be fully masked."""


class Preprocess(_Section):
    """Cleaning and splitting."""

    split: Literal["stratified", "stable", "temporal", "site", "predefined"]
    """How notes are divided; always by patient."""
    validation_share: Share
    """Share of the patients for validation (not predefined)."""
    test_share: Share
    """Share of the patients for the test (not predefined, not site)."""
    test_sites: dict[str, tuple[str, ...]]
    """Of split: site, the subgroup column that tells sites apart, and those of its values that are held out for the test."""
    min_characters: Annotated[int, Field(ge=1)]
    """Shorter notes are quarantined."""
    drop_sections: tuple[str, ...]
    """Sections of the notes to leave out: names of dxtune.corpus.sections.SECTIONS."""
    conflicts: Literal["first", "majority", "drop"]
    """Which of several notes with one text and different labels is kept."""
    min_notes_per_label: Positive
    """The fewest training notes of a label."""
    rare_labels: Literal["error", "other"]
    """What happens to a label with fewer training notes."""
    max_leaked_share: Share
    """More training notes than this share with a word that gives the label away stop the run."""
    find_label_errors: bool
    """Whether notes whose label is likely wrong are listed in data/quality."""
    seed: Annotated[int, Field(ge=0)]
    """Of the stratified, stable, temporal and site splits."""


class Model(_Section):
    """The base model that is fine-tuned."""

    name: str
    """package:NAME, a local folder, or a Hub id."""
    revision: str | None
    """The commit hash of a Hub id."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None
    """Checksum of model.safetensors; null: not checked."""
    method: Literal["full", "lora", "head", "last_n_layers"]
    """Which weights learn."""
    last_layers: Positive
    """Of last_n_layers: how many."""
    lora_rank: Positive
    """Of lora: the rank of what is added to each linear map."""


class Tokenize(_Section):
    """Text to token ids."""

    max_tokens: Annotated[int, Field(ge=8)]
    """What the model reads at once; longer notes are treated as `long_notes` says."""
    long_notes: Literal["truncate", "head_tail", "windows"]
    """The end of a long note is left out, or its middle, or nothing: it is read in windows, and they answer together."""
    stride: Annotated[int, Field(ge=0)]
    """Tokens that two neighbouring windows share."""
    max_truncated_share: Share
    """More cut notes than this share stop the run."""


class Train(_Section):
    """Fine-tuning."""

    lr: Annotated[float, Field(gt=0, le=1)]
    """Peak learning rate."""
    domain_adaptation_epochs: Annotated[int, Field(ge=0)]
    """Passes over the training notes before, in which the encoder learns to fill in words that were left out."""
    epochs: Positive
    """Passes over the training notes, at the most."""
    batch_size: Positive
    """Notes per optimiser step."""
    micro_batch: Positive | None
    """Notes computed at a time, their gradients added up to those of batch_size; null: all of them."""
    processes: Positive
    """Processes that share each batch."""
    accelerate: str | None
    """A configuration file of accelerate by which several processes are started; null: torchrun starts them."""
    packing: bool
    """Generation: several short pairs in a row of tokenize.max_tokens; batch_size counts rows, then."""
    canaries: Annotated[int, Field(ge=0, le=1000)]
    """Generation: made-up secrets that are learned among the training pairs; `probe` measures how exposed they are."""
    window_pooling: Literal["mean", "learned"]
    """How a note's windows answer together: all alike, or by weights that are learned for each label."""
    weight_decay: Annotated[float, Field(ge=0)]
    """Of AdamW; not on biases and norms."""
    warmup_share: Annotated[float, Field(ge=0, lt=1)]
    """Share of all steps over which the learning rate rises."""
    hidden_dropout: Annotated[float, Field(ge=0, lt=1)]
    """Dropout of the hidden states."""
    attention_dropout: Annotated[float, Field(ge=0, lt=1)]
    """Dropout of the attention weights; above 0 is slow on CPU."""
    max_grad_norm: Annotated[float, Field(gt=0)]
    """Longer gradients are shortened to this."""
    patience: Positive
    """Epochs without a better validation before stopping."""
    precision: Literal["auto", "bf16", "fp32"]
    """Number format of the matrix products."""
    threads: Positive
    """torch threads; another number gives other bytes."""
    seed: Annotated[int, Field(ge=0)]
    """Of the head, the order of batches, and dropout."""


class Evaluate(_Section):
    """Metrics and their intervals."""

    bootstrap_resamples: Annotated[int, Field(ge=100)]
    """Patient-bootstrap resamples behind each interval."""
    targets: dict[Target, Share]
    """What is met on validation: by alerts a sensitivity or a specificity, by answers a risk, by sets of classes a coverage."""
    gates: dict[Annotated[str, Field(pattern="_(low|high)$")], float]
    """What a model must reach to be released: the least lower end, or the greatest upper end, of the interval of a figure."""


class Explain(_Section):
    """Why the model answers as it does."""

    show_text: bool
    """Whether words of notes that are not synthetic may stand in the report and in metrics/plots/words.csv."""


class Report(_Section):
    """Report and cards."""

    title: str
    """Heading of the report."""
    intended_use: str
    """Sentence for the model card."""


class Params(_Section):
    """All settings of one run: the task, one section for each stage, and the base model."""

    task: Literal["classification", "multilabel", "question-answering", "generation"]
    """What the model learns to give for a text."""
    data: Data
    collect: Collect
    deidentify: Deidentify
    preprocess: Preprocess
    model: Model
    tokenize: Tokenize
    train: Train
    evaluate: Evaluate
    explain: Explain
    report: Report

    @model_validator(mode="after")
    def _check_across_sections(self) -> "Params":
        collect, preprocess = self.collect, self.preprocess
        self._check_task()
        _check_windows(self.tokenize, self.task)
        _check_targets(self.evaluate.targets)
        if preprocess.validation_share + preprocess.test_share >= 0.9:
            raise ValueError("preprocess.validation_share + preprocess.test_share leave under a tenth to train on: lower one")
        if preprocess.split == "site" and (len(preprocess.test_sites) != 1 or not all(preprocess.test_sites.values())):
            raise ValueError("preprocess.split is site: set preprocess.test_sites to one column and its sites: {site: [north]}")
        if preprocess.split == "site" and (unknown := set(preprocess.test_sites) - set(collect.subgroup_columns)):
            raise ValueError(
                f"preprocess.test_sites names {unknown.pop()}, which is not in collect.subgroup_columns: add it there"
            )
        if collect.splits and collect.split_column:
            raise ValueError("collect.splits and collect.split_column both say the split: set one of them to null or {}")
        says_split = bool(collect.splits or collect.split_column) or (
            collect.source == "hub" and preprocess.split == "predefined"
        )
        if says_split and preprocess.split != "predefined":
            raise ValueError("collect.splits or collect.split_column is set, but preprocess.split is not: set it to predefined")
        if not says_split and preprocess.split == "predefined":
            raise ValueError("preprocess.split is predefined, but nothing says the split: set collect.splits or split_column")
        if self.deidentify.dates == "shift" and self.deidentify.style != "surrogate":
            raise ValueError("deidentify.dates: shift needs deidentify.style: surrogate, because a placeholder holds no date")
        if (self.deidentify.vote == "none") != (self.deidentify.vote_model is None):
            raise ValueError("deidentify.vote and deidentify.vote_model go together: set both, or none and null")
        if collect.source in ("mimic3", "mimic4"):
            _check_mimic(collect, self.task)
        if collect.source == "pubmed":
            _check_pubmed(collect, self.task)
        _check_hub(collect)
        if collect.splits and set(collect.splits) != set(SPLITS):
            raise ValueError(f"collect.splits must name a file for each of {', '.join(SPLITS)}: found {sorted(collect.splits)}")
        return self

    def _check_task(self) -> None:
        collect = self.collect
        if collect.source == "synthetic" and self.task != "classification":
            raise ValueError(f"task: {self.task} needs notes of your own: set collect.source, or task: classification")
        if collect.source == "table" and self.task == "question-answering" and not collect.question_column:
            raise ValueError("task: question-answering needs collect.question_column: set it to the column with the question")
        if self.task == "generation" and self.model.method == "head":
            raise ValueError("model.method: head needs a task with a head of its own: set lora, last_n_layers or full")
        if self.train.accelerate is not None and self.train.processes == 1:
            raise ValueError("train.accelerate starts several processes: set train.processes to their number, or it to null")
        if self.train.packing and self.task != "generation":
            raise ValueError("train.packing is only for task: generation: set it to false, or correct task")
        if self.train.canaries and (self.task != "generation" or self.train.canaries < FEWEST_CANARIES):
            raise ValueError(
                f"train.canaries is only for task: generation, and fewer than {FEWEST_CANARIES} show no figures: set it to 0, "
                f"or to {FEWEST_CANARIES} or more"
            )
        if self.train.domain_adaptation_epochs and self.task == "generation":
            raise ValueError(
                "train.domain_adaptation_epochs is for encoders, which fill in words, and task: generation trains a model that "
                "goes on from them: set it to 0, or correct task"
            )
        labels = self.task in ("classification", "multilabel")
        if self.train.window_pooling == "learned" and not (labels and self.tokenize.long_notes == "windows"):
            raise ValueError(
                "train.window_pooling: learned needs tokenize.long_notes: windows, and task: classification or multilabel: set "
                "these, or set it to mean"
            )
        for key, tasks in TASK_KEYS.items():
            if getattr(collect, key) is not None and self.task not in tasks:
                raise ValueError(f"collect.{key} is only for task: {' or '.join(tasks)}: set it to null, or correct task")


def _check_targets(targets: Mapping[Target, float]) -> None:
    """Raises ValueError unless there is one target for each decision."""
    if {"risk", "coverage"} - {*targets} or ("sensitivity" in targets) == ("specificity" in targets):
        raise ValueError(
            "evaluate.targets needs risk, coverage, and either sensitivity or specificity: found "
            f"{', '.join(targets) or 'none'}; write {{sensitivity: 0.9, risk: 0.1, coverage: 0.9}}"
        )


def _check_windows(tokenize: Tokenize, task: str) -> None:
    """Raises ValueError where the task and windows do not go together, or windows would hardly move."""
    if task == "generation" and tokenize.long_notes == "windows":
        raise ValueError("task: generation reads a prompt once: set tokenize.long_notes to truncate or head_tail")
    if task == "question-answering" and tokenize.long_notes != "windows":
        raise ValueError("task: question-answering reads notes in windows: set tokenize.long_notes: windows")
    if tokenize.long_notes == "windows" and tokenize.stride >= tokenize.max_tokens // 2:
        raise ValueError("tokenize.stride must be below half of tokenize.max_tokens, or windows would hardly move: lower it")


def _check_mimic(collect: Collect, task: str) -> None:
    """Raises ValueError where a MIMIC label does not fit the task, or the chosen notes state it (PROBAST: predictor timing)."""
    label = collect.mimic_label
    fits = "multilabel" if label in ("icd_codes", "icd_chapters") else "classification"
    if task != fits:
        raise ValueError(f"collect.mimic_label: {label} needs task: {fits}, found task: {task}: set one of them")
    if collect.splits or collect.split_column:
        raise ValueError("collect.splits and collect.split_column: MIMIC says no split: set them to {} and null")
    if collect.identifier_columns:
        raise ValueError("collect.identifier_columns: MIMIC has none, its identifiers are removed already: set it to []")
    names = [name.strip() for name in collect.note_categories]
    summaries = [name for name in names if "discharge" in name.lower() or name.upper() in ("DS", "AD")]
    if label == "readmission_30d" or collect.allow_outcome_notes or (names and not summaries):
        return  # a readmission lies after the discharge summary, the others are what it sums up
    others = "Nursing, Physician, Radiology" if collect.source == "mimic3" else "RR, AR"
    raise ValueError(
        f"collect.note_categories: {', '.join(summaries) or '[], which means all,'} includes discharge summaries, and they "
        f"state what collect.mimic_label: {label} asks for. Choose categories that are written before (such as {others}); if "
        "the purpose is to code finished stays and not to predict, set collect.allow_outcome_notes: true"
    )


def _check_pubmed(collect: Collect, task: str) -> None:
    """Raises ValueError where the classes do not fit the task, or a setting asks for what PubMed does not have."""
    named = collect.pubmed_classes if isinstance(collect.pubmed_classes, tuple) else ()
    if task not in ("classification", "multilabel"):
        raise ValueError("collect.source: pubmed has labels only: set task to classification or multilabel")
    if task == "classification" and len(set(named)) < 2:
        raise ValueError("task: classification needs two names or more in collect.pubmed_classes, of which a citation has one")
    if not collect.pubmed_classes:
        raise ValueError("collect.pubmed_classes is empty: name headings, or set a number: so many of the most frequent ones")
    if other := sorted(set(collect.subgroup_columns) - set(PUBMED_COLUMNS)):
        raise ValueError(
            f"collect.subgroup_columns of PubMed can be {' and '.join(PUBMED_COLUMNS)}: found {other}; set it to []"
        )
    if collect.identifier_columns or collect.split_column:
        raise ValueError("PubMed has no collect.identifier_columns and no split_column: set them to [] and null")


def _check_hub(collect: Collect) -> None:
    """Raises ValueError where a dataset of the Hub is not pinned to a commit."""
    if collect.source != "hub" and (collect.hub_name or collect.hub_config or collect.hub_revision):
        raise ValueError("collect.hub_name, hub_config and hub_revision are only for collect.source: hub: set them to null")
    if collect.hub_name is None and collect.hub_revision is not None:
        raise ValueError(
            "collect.hub_revision is set, but not hub_name: the folder collect.path has no revision; set it to null"
        )
    if collect.hub_name is not None and not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", collect.hub_name):
        raise ValueError(
            f"collect.hub_name = {collect.hub_name!r}: expected an id such as owner/name; a folder goes to collect.path"
        )
    if collect.hub_name is not None and not re.fullmatch(r"[0-9a-f]{40}", collect.hub_revision or ""):
        raise ValueError(
            f"collect.hub_revision = {collect.hub_revision!r}: expected a commit hash of 40 hex digits. A name such as "
            "main moves, and the same commit of yours would give other data: copy the hash from the dataset's history"
        )


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads 3e-05 as a number, as YAML 1.2 (and so DVC) writes it."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def load_params(path: Path = Path("params.yaml")) -> Params:
    """The settings in a params.yaml.

    Raises ParamsError, naming every wrong key, what was found, what is allowed and the likeliest meant key.
    """
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except FileNotFoundError:
        raise ParamsError(f"expected the settings in {path}, found no such file: run dxtune in the project's folder") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ParamsError(f"{path}{where} is not YAML: compare it with the version in git (git diff {path})") from None
    if not isinstance(raw, dict):
        raise ParamsError(f"{path}: expected sections such as train:, found {type(raw).__name__}")
    return validate(raw, path)


def read_value(text: str) -> Any:
    """A value as it would be read from params.yaml.

    >>> read_value("3e-05"), read_value("[2, lora, null]")
    (3e-05, [2, 'lora', None])
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError:
        raise ParamsError(f"expected a value such as 3e-5 or [2, 3], found {text!r}") from None


def validate(raw: dict[str, Any], path: Path) -> Params:
    """The settings in these sections. Raises ParamsError as `load_params` does; path: what its messages name."""
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        raise ParamsError("\n".join(_explain(problem, path) for problem in error.errors())) from None


def _explain(problem: Any, path: Path) -> str:
    """One line for one pydantic error: key, what was found, what is allowed, what to do."""
    loc = [str(part) for part in problem["loc"]]
    key = ".".join(loc)
    if problem["type"] == "extra_forbidden":
        known = list(_fields(loc[:-1]))
        close = difflib.get_close_matches(loc[-1], known, n=1)
        hint = f"did you mean {'.'.join([*loc[:-1], close[0]])}?" if close else f"allowed here: {', '.join(sorted(known))}"
        return f"{path}: unknown key {key}: {hint}"
    if problem["type"] == "missing":
        return f"{path}: the key {key} is missing: {_describe(loc)} Restore it with git diff {path}"
    if not loc:
        return f"{path}: {problem['msg'].removeprefix('Value error, ')}"
    return f"{path}: {key} = {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}. {_describe(loc)}"


def _fields(loc: list[str]) -> dict[str, Any]:
    model: type[BaseModel] = Params
    for part in loc:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return {}
        model = annotation
    return dict(model.model_fields)


def _describe(loc: list[str]) -> str:
    field = _fields(loc[:1]).get(loc[1]) if len(loc) > 1 else Params.model_fields.get(loc[0])
    return f"{'.'.join(loc[:2])}: {field.description}" if field is not None and field.description else ""
