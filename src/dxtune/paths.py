"""Where every stage reads and writes, relative to the project's root: the same places that dvc.yaml declares."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """The project's files. `root` is the folder of dvc.yaml."""

    root: Path = Path()

    @property
    def raw(self) -> Path:
        """Corpus of records as collected. PHI: stays on this machine."""
        return self.root / "data/raw"

    @property
    def deidentified(self) -> Path:
        """Corpus of records after the PHI boundary."""
        return self.root / "data/deidentified"

    @property
    def audit(self) -> Path:
        """Corpus of what was masked, where and why: offsets and keyed hashes, no text."""
        return self.root / "data/deidentification_audit"

    @property
    def processed(self) -> Path:
        """labels.json, cleaning.json (what was left out of every note), and a corpus for each split."""
        return self.root / "data/processed"

    @property
    def quality(self) -> Path:
        """Tables for a person to read: duplicates.parquet, label_leaks.parquet, label_errors.parquet."""
        return self.root / "data/quality"

    @property
    def tokens(self) -> Path:
        """tokenizer/, and a corpus of token ids for each split."""
        return self.root / "data/tokens"

    @property
    def model(self) -> Path:
        """The fine-tuned model, all that is needed to use it."""
        return self.root / "models/final"

    @property
    def predictions(self) -> Path:
        """One row a note of validation and test: ids, label, probabilities."""
        return self.root / "data/predictions.parquet"

    @property
    def attributions(self) -> Path:
        """One row a note whose words were weighed: its likeliest label, and what each word adds to it."""
        return self.root / "data/attributions.parquet"

    @property
    def metrics(self) -> Path:
        """One JSON file a stage, and plots/ with the curves."""
        return self.root / "metrics"

    @property
    def previous(self) -> Path:
        """What the model is beside that of the last commit."""
        return self.metrics / "previous.json"

    @property
    def reports(self) -> Path:
        """model_card.md, data_card.md, report.html."""
        return self.root / "reports"

    @property
    def cache(self) -> Path:
        """What a stage needs while it works: never tracked."""
        return self.root / ".cache"

    @property
    def project(self) -> Path:
        """`root`; of a queued experiment, which DVC runs in a folder of its own, the folder that it was queued from."""
        return Path(os.environ.get("DVC_ROOT") or self.root)

    @property
    def shard_cache(self) -> Path:
        """Finished shards of the data stages, never PHI: one for all experiments of a project, never tracked."""
        return self.project / ".cache/shards"

    @property
    def checkpoints(self) -> Path:
        """Of training, a folder a run, never tracked. A queued experiment's outlive its own folder, under its name."""
        everywhere = self.project / ".cache/checkpoints"
        queued = self.project.resolve() != self.root.resolve()
        return everywhere / os.environ.get("DVC_EXP_NAME", "") if queued else everywhere
