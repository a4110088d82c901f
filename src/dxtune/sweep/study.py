"""The sweep: which trials there are, what became of them, and the best one. A stopped sweep goes on where it was."""

import csv
import io
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dxtune.errors import ParamsError
from dxtune.files import write_text
from dxtune.params import Params
from dxtune.paths import Paths
from dxtune.sweep.experiment import Experiment
from dxtune.sweep.space import check, ends

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

FAILED_IN_A_ROW = 3
STATES = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "stopped", "WAITING": "planned"}
"""What we call Optuna's states; a trial is running only while its sweep is at work."""


@dataclass(frozen=True)
class Sweep:
    """A study and all that its trials share. head: the commit that they start from; lock: an open, locked file."""

    name: str
    params: Params
    space: dict[str, "BaseDistribution"]
    metric: str
    seed: int
    paths: Paths
    head: str
    lock: int

    def run(self, trials: int) -> Iterator[str]:
        """Lines about what goes on, until there are so many trials, those of earlier runs included, and about the best.

        Writes sweeps/NAME.csv after every trial. Raises ParamsError after three trials in a row that failed.
        """
        study = self._open()
        trials = self._plan(study, trials)
        while trial := self._next(study, trials):
            yield from self._try(study, trial)
            write_text(self._table(study), self.paths.root / "sweeps" / f"{self.name}.csv")
            ended = study.trials[: trial.number + 1][-FAILED_IN_A_ROW:]
            if [STATES[each.state.name] for each in ended] == ["failed"] * FAILED_IN_A_ROW:
                raise ParamsError(
                    f"{FAILED_IN_A_ROW} trials in a row failed, the last one with: {ended[-1].user_attrs['reason']}\n"
                    f"All that it said: {self._experiment(trial.number).log}. Correct that: the same command goes on, "
                    "with another --name all begins anew"
                )
        yield from self._summary(study)

    def _open(self) -> "Study":
        """The study in .cache/sweeps, new or as it was left. Raises ParamsError where it was made with other settings."""
        import optuna
        from optuna.distributions import distribution_to_json

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(
            storage=f"sqlite:///{self.paths.cache.resolve()}/sweeps/studies.db",
            study_name=f"{self.name}@{self.head}",
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(),
            load_if_exists=True,
        )
        made = {"metric": self.metric, "seed": self.seed}
        made |= {key: distribution_to_json(each) for key, each in self.space.items()}
        if (before := study.user_attrs.get("made", made)) != made:
            changed = sorted(key for key in {*before, *made} if before.get(key) != made.get(key))
            raise ParamsError(
                f"the sweep {self.name} of this commit was begun with another {' and another '.join(changed)}: go on as it was "
                "begun, or give this one another --name"
            )
        study.set_user_attr("made", made)
        return study

    def _plan(self, study: "Study", trials: int) -> int:
        """How many trials there will be. Where no more combinations than that exist, each of them is planned, once."""
        if any(not hasattr(each, "choices") for each in self.space.values()):
            return trials
        if math.prod(len(ends(each)) for each in self.space.values()) > trials:
            return trials
        there = [trial.params or trial.system_attrs.get("fixed_params") for trial in study.trials]
        for values in itertools.product(*(ends(each) for each in self.space.values())):
            if (combination := dict(zip(self.space, values, strict=True))) not in there:
                study.enqueue_trial(combination)
        return len(study.trials)

    def _next(self, study: "Study", trials: int) -> "Trial | None":
        """A trial that was stopped, else one that is planned, else one that Optuna chooses; None where there are enough.

        What Optuna chooses depends on the seed and on the trials before: a sweep that was stopped goes on as if it never was.
        """
        from optuna import Trial
        from optuna.samplers import TPESampler

        begun = [trial for trial in study.trials if STATES[trial.state.name] != "planned"]
        stopped = [trial for trial in begun if STATES[trial.state.name] == "stopped"]
        if not stopped and len(begun) >= trials:
            return None
        number = stopped[0].number if stopped else len(begun)
        study.sampler = TPESampler(seed=(self.seed * 10_007 + number) % 2**32)
        if not stopped:
            return study.ask(self.space)
        trial = Trial(study, stopped[0]._trial_id)
        for key, each in self.space.items():  # all chosen already, unless it was stopped in between
            trial._suggest(key, each)
        return trial

    def _try(self, study: "Study", trial: "Trial") -> Iterator[str]:
        """Lines about one trial; afterwards the study knows how it ended."""
        from optuna.trial import TrialState

        experiment, settings = self._experiment(trial.number), ", ".join(f"{key}={trial.params[key]}" for key in self.space)
        begun = trial.user_attrs.get("begun", False)
        if experiment.metrics() is not None and not begun:
            raise ParamsError(
                f"there is an experiment {experiment.name} of an earlier sweep, which this one knows nothing of: remove it "
                f"(dvc exp remove {experiment.name}), or give this one another --name"
            )
        trial.set_user_attr("begun", True)
        yield f"{experiment.name}: {settings}"
        last = int(trial.params.get("train.epochs", self.params.train.epochs))
        known = dict(study.trials[trial.number].intermediate_values)

        def goes_on(row: dict[str, float]) -> bool:
            epoch = int(row["epoch"])
            if epoch not in known:
                known[epoch] = row[self.metric.removeprefix("validation_")]
                trial.report(known[epoch], epoch)
            return epoch >= last or not trial.should_prune()

        ended, reason = True, ""
        try:
            check(self.params, trial.params)
            if experiment.metrics() is None:  # or it came to its end after the sweep was killed
                ended = experiment.run(trial.params, self.lock, goes_on)
        except ParamsError as error:  # values that are valid each, and not together
            reason = str(error)
        metrics = experiment.metrics()
        if metrics is None and ended:
            trial.set_user_attr("reason", reason := reason or experiment.reason())
            study.tell(trial, state=TrialState.FAIL)
            yield f"{experiment.name}: failed: {reason}"
        elif metrics is None:
            study.tell(trial, state=TrialState.PRUNED)
            yield f"{experiment.name}: pruned after epoch {max(known)}: {self.metric} {max(known.values()):.4f}"
        else:
            for row in experiment.curve():  # the last epoch was too quick to be seen
                goes_on(row)
            study.tell(trial, metrics[self.metric])
            best = study.best_trial
            beside = "" if best.number == trial.number else f", the best is {best.value:.4f}"
            yield f"{experiment.name}: {self.metric} {metrics[self.metric]:.4f}{beside}"
        experiment.forget()

    def _experiment(self, number: int) -> Experiment:
        name = f"{self.name}-{number:03d}"
        return Experiment(self.paths, self.head, name, self.paths.cache / "sweeps" / f"{name}.log")

    def _table(self, study: "Study") -> str:
        """All trials as csv, the best first."""
        text = io.StringIO()
        columns = ["experiment", "state", self.metric, "epochs", *self.space, "reason"]
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        for trial in sorted(study.trials, key=_rank):
            if STATES[trial.state.name] != "planned":
                row: dict[str, Any] = {"experiment": self._experiment(trial.number).name, "state": STATES[trial.state.name]}
                row |= {self.metric: trial.value, "epochs": max(trial.intermediate_values, default=None)}
                writer.writerow(row | trial.params | {"reason": trial.user_attrs.get("reason")})
        return text.getvalue()

    def _summary(self, study: "Study") -> Iterator[str]:
        states = [STATES[trial.state.name] for trial in study.trials]
        counts = ", ".join(f"{states.count(state)} {state}" for state in STATES.values() if state in states)
        if "finished" not in states:
            raise ParamsError(f"no trial finished ({counts}): see sweeps/{self.name}.csv")
        best = study.best_trial
        name = self._experiment(best.number).name
        yield f"best of {len(states)} trials ({counts}): {name}, {self.metric} {best.value:.4f}"
        yield from (f"  {key} = {best.params[key]!r}" for key in self.space)
        yield f"all trials: sweeps/{self.name}.csv. To take the best one, and measure it on the test split:"
        yield f"  dvc exp apply {name}\n  dvc repro"


def _rank(trial: "FrozenTrial") -> tuple[int, float, int]:
    value = trial.value if trial.value is not None else -math.inf
    return [*STATES].index(trial.state.name), -value, trial.number
