import pickle
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest

from in2_plugin.corpus.sources.documents import Document
from in2_plugin.corpus.splicing import ANCHOR, SEPARATOR, Joining, JoinSafety, anchored_ids, splices_equal_joint
from in2_plugin.corpus.store import Repeats, SegmentStatus, SegmentStore
from in2_plugin.corpus.store_writer import build_store
from in2_plugin.errors import DatasetError


def make(documents, folder, tokenizer, **options) -> SegmentStore:
    settings = {"segment_tokens": 128, "paper_exact": False, "rng": np.random.default_rng(0), **options}
    return build_store(documents, folder, tokenizer, **settings)


@pytest.fixture(scope="module")
def store(documents, mistral, tmp_path_factory) -> SegmentStore:
    return make(documents, tmp_path_factory.mktemp("store"), mistral)


def test_texts_are_slices_of_their_documents(store, documents):
    for segment in range(0, len(store), 7):
        row = store.table.slice(segment, 1).to_pylist()[0]
        assert store.text(segment) == documents[row["document"]].text[row["start"] : row["stop"]]


def test_documents_point_at_their_segments(store, documents):
    assert store.documents["key"].to_pylist() == [d.key for d in documents]
    for number in (0, 17, len(documents) - 1):
        assert set(store.document[list(store.segments_of(number))]) == {number}
    assert sum(len(store.segments_of(i)) for i in range(len(documents))) == len(store)


def test_ids_concatenate_to_the_joint_encoding(store, mistral):
    rng = np.random.default_rng(1)
    anchor = mistral.ids([ANCHOR])[0]
    for _ in range(20):
        chosen = rng.choice(np.flatnonzero(store.usable), size=40, replace=False)
        joint = mistral.ids([ANCHOR + "".join(store.text(i) + SEPARATOR for i in chosen)])[0]
        assert [*anchor, *np.concatenate([store.ids(i) for i in chosen])] == joint


def test_n_tokens_is_the_number_of_ids(store):
    assert [len(store.ids(i)) for i in range(len(store))] == store.n_tokens.tolist()
    assert store.facts.tokens == store.n_tokens.sum()


def test_repeats_are_looked_up_without_copying_the_table():
    segments = np.arange(0, 1 << 21, 2, dtype=np.uint32)
    repeats = Repeats(segments, segments // 3)
    tracemalloc.start()
    try:
        found = [repeats.get(i) for i in (0, 3, 1_000_002, 1 << 21)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == [0, None, 333_334, None]
    assert peak < segments.nbytes / 4


def test_a_pickled_store_contains_only_its_path(store):
    store.ids(0)
    pickled = pickle.dumps(store)
    assert len(pickled) < 500
    assert pickle.loads(pickled).ids(3).tolist() == store.ids(3).tolist()


def test_the_same_documents_give_the_same_bytes(documents, mistral, tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        make(documents[:50], folder, mistral)
    for name in ("segments.arrow", "documents.arrow", "ids.bin", "offsets.bin", "store.json"):
        first, second = [(folder / name).read_bytes() for folder in folders]
        assert first == second, name


def test_text_that_spells_a_special_token_is_excluded(mistral, tmp_path):
    texts = ["A plain line about nothing.", "A line that says </s> in the middle."]
    store = make([Document("s", str(i), text) for i, text in enumerate(texts)], tmp_path, mistral)
    assert store.standing.tolist() == [SegmentStatus.USABLE, SegmentStatus.SPELLS_SPECIAL_TOKEN]
    assert store.usable.tolist() == [True, False]
    assert store.facts.spells_special_token == 1


def test_chinese_text_is_spliced_exactly(qwen, tmp_path):
    line = "语言模型常常忽略长文本中间的内容。这种现象被称为“迷失在中间”，很多研究都讨论过它。"
    store = make([Document("s", str(i), f"第{i}段。" + line * 20) for i in range(8)], tmp_path, qwen, segment_tokens=64)
    assert len(store) > 8
    assert store.facts.joining is Joining.SPLICE


def test_a_tokenizer_that_merges_across_lines_is_retokenized(documents, tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import AutoTokenizer

    from in2_plugin.corpus.tokenizer import ModelTokenizer
    from tests.support import vocabularies

    texts = [d.text for d in documents[:80]]
    glue = Tokenizer(models.BPE())
    # no split at spaces or newlines, so merges cross them
    glue.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    glue.train_from_iterator(
        [line[-20:] + "\n" + other[:20] for line in texts for other in texts],
        trainers.BpeTrainer(vocab_size=3_000, special_tokens=["</s>"], show_progress=False),
    )
    folder = vocabularies.save(glue, tmp_path / "glue", None, eos_token="</s>")
    tokenizer = ModelTokenizer(AutoTokenizer.from_pretrained(folder))
    segments = [text[:300] for text in texts]
    assert not all(JoinSafety(tokenizer).safe(segments))
    store = make(documents[:80], tmp_path / "store", tokenizer)
    assert store.facts.joining is Joining.RETOKENIZE
    assert store.usable.all()


def test_the_comparison_with_the_joint_encoding_can_fail(mistral):
    segments = ["one line", "another line"]
    ids = anchored_ids(mistral, segments)
    assert splices_equal_joint(mistral, segments, ids, np.random.default_rng(0))
    alone = mistral.ids(segments)  # tokenized separately, each segment gets its own leading space
    assert not splices_equal_joint(mistral, segments, alone, np.random.default_rng(0))


def test_an_unfinished_store_is_an_error(documents, mistral, tmp_path):
    def stops_early():
        yield from documents[:5]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(stops_early(), tmp_path, mistral)
    with pytest.raises(DatasetError, match="no complete segment store"):
        SegmentStore(tmp_path)
    assert not (tmp_path / "segments.arrow").exists()


def test_the_error_for_a_damaged_file_names_it(documents, mistral, tmp_path):
    make(documents[:5], tmp_path, mistral)
    (tmp_path / "segments.arrow").write_bytes(b"not arrow")
    with pytest.raises(DatasetError, match=r"segments\.arrow: is damaged"):
        SegmentStore(tmp_path).text(0)


def test_the_arrow_file_is_readable_with_pyarrow_alone(store):
    table = pa.ipc.open_file(str(store.folder / "segments.arrow")).read_all()
    assert table.column_names == ["document", "start", "stop", "text", "n_tokens", "standing"]
