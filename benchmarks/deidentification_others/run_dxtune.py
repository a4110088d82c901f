"""dxtune's Deidentifier, each note a patient of its own. Timed is the whole work, search and replacement, in both styles."""

from serve import Spans, Texts, Tool, serve

from dxtune.deid import Deidentifier

KEY = b"a key for benchmarks, no secret"


def load() -> Tool:
    engine, surrogates = Deidentifier(KEY), Deidentifier(KEY, style="surrogate")

    def find(texts: Texts) -> list[Spans]:
        return [[(span.start, span.end) for span in spans] for spans in engine.spans_of(texts)]

    # each job is a row of the table; the first is what the other tools are compared with
    return Tool(find, {"placeholders": engine.deidentify, "surrogates": surrogates.deidentify})


if __name__ == "__main__":
    serve(load)
