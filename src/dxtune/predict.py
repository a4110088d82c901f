"""Everything needed to use a fine-tuned model, from one folder: `Predictor(folder)`."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from dxtune.errors import DataError
from dxtune.trained import Trained


class Predictor(Trained):
    """A fine-tuned model that treats a raw note as the pipeline did: de-identify, clean, tokenize, predict.

    folder, threads, precision, errors: as of Trained.
    """

    def predict(self, texts: Sequence[str], questions: Sequence[str] | None = None) -> list[Any]:
        """One answer a note, in the order of `texts`, of the task's own kind.

        texts: raw notes. Identifiers are masked, and boilerplate and sections that training did not see are left out here, too.

        questions: one a note, if the model was trained with them. Raises DataError where they are missing, or not asked for.
        """
        from dxtune.corpus.texts import make_texts

        if self.settings["question"] != (questions is not None):
            wanted = "a question with each note" if self.settings["question"] else "notes without questions"
            raise DataError(
                f"expected {wanted}, as the model was trained: call predict(texts{', questions' * (questions is None)})"
            )
        columns = {"text": list(texts)} | ({} if questions is None else {"question": list(questions)})
        notes = pl.DataFrame({"note_id": [str(row) for row in range(len(texts))], **columns})
        notes = make_texts(_mask(notes), **self.settings["cleaning"])
        return list(self.task.answers(self.predictions(self.tokenize(notes)), notes, self.labels, self.settings))


def _mask(notes: pl.DataFrame) -> pl.DataFrame:
    """The notes without identifiers, each with its question as one document, as the pipeline has it."""
    from dxtune.deid import Deidentifier
    from dxtune.deid.fields import as_documents, write_fields
    from dxtune.deid.spans import replace

    # Placeholders do not depend on the key; only pseudonyms of ids do, and there are none here.
    found = Deidentifier(key=b"predict: placeholders only").examine(as_documents(notes)["text"].to_list())
    return notes.with_columns(
        **{
            name: pl.Series(values, dtype=pl.String)
            for name, values in write_fields(notes, found.spans, [replace] * notes.height).items()
        }
    )
