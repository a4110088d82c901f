"""dxtune's Deidentifier. Timed is the whole work, search and replacement."""

from serve import Spans, Texts, Tool, serve

from dxtune.deid import Deidentifier


def load() -> Tool:
    engine = Deidentifier(b"a key for benchmarks, no secret")

    def find(texts: Texts) -> list[Spans]:
        return [[(span.start, span.end) for span in spans] for spans in engine.spans_of(texts)]

    jobs = {"placeholders": engine.deidentify}
    # HERE the surrogate style goes when there is one: jobs["surrogates"] = ...; it becomes a row of the table by itself.
    return Tool(find, jobs)


if __name__ == "__main__":
    serve(load)
