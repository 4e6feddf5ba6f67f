import pytest
from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.config import PARTS, BuildConfig, Mixture, Source, load_build_file, nearest
from in2_plugin.errors import ConfigError

MINIMAL = {"output": "out", "tokenizer": "model"}


def sentence(data: dict) -> str:
    with pytest.raises(ConfigError) as caught:
        BuildConfig.parse(data, "build.yml")
    return str(caught.value)


def test_defaults_are_the_papers():
    config = BuildConfig.parse(MINIMAL, "build.yml")
    assert (config.corpus.segment_tokens, config.lengths.min, config.lengths.max) == (128, 4_096, 32_768)
    assert config.corpus.sources == (Source(path="bundled:python-docs"),)
    assert config.template == "chat"


@pytest.mark.parametrize(
    ("extra", "key", "near"),
    [
        ({"outptu": 1}, "outptu", "output"),
        ({"corpus": {"segment_token": 64}}, "corpus.segment_token", "segment_tokens"),
        ({"corpus": {"sources": [{"path": "x", "spilt": "y"}]}}, "corpus.sources.0.spilt", "split"),
        ({"mixture": {"integrations": 3}}, "mixture.integrations", "integration"),
    ],
)
def test_unknown_key_names_itself_and_the_nearest(extra, key, near):
    assert sentence({**MINIMAL, **extra}) == f"build.yml: unknown key `{key}`; did you mean `{near}`?"


def test_unknown_key_without_a_near_one_lists_the_valid_ones():
    assert "valid keys are max, min" in sentence({**MINIMAL, "lengths": {"zzz": 3}})


def test_several_mistakes_are_counted():
    assert sentence({"tokenizer": "m", "outptu": 1, "sed": 3}).endswith("(and 2 more)")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"output": "o"}, "`tokenizer` is required"),
        ({**MINIMAL, "lengths": {"min": 9, "max": 8}}, "`min` (9) is larger than `max` (8)"),
        ({**MINIMAL, "mixture": {"fine_grained": 0, "integration": 0, "short_context": 0}}, "no example at all"),
        ({**MINIMAL, "mixture": {"general": 5}}, "name an instruction dataset under `instructions.sources`"),
        ({**MINIMAL, "positions": "randomly"}, "`positions.strategy`: Input should be 'shuffle', 'stratified'"),
        ({**MINIMAL, "positions": "histogram"}, "`histogram` needs `weights`"),
        ({**MINIMAL, "positions": {"strategy": "edges", "weights": [1]}}, "`weights` is for `strategy: histogram`"),
        ({**MINIMAL, "distractors": {"judge_hardest": 2}}, "`questions.writer: extractive` has none"),
        ({**MINIMAL, "questions_per_context": 0}, "`questions_per_context`"),
        ({**MINIMAL, "seed": -1}, "`seed`: Input should be greater than or equal to 0, got -1"),
        ({**MINIMAL, "corpus": {"sources": []}}, "`corpus.sources`"),
        ({**MINIMAL, "template": "chatml"}, "`template`: Input should be 'chat' or 'film', got 'chatml'"),
    ],
)
def test_impossible_values_are_one_sentence(data, expected):
    said = sentence(data)
    assert expected in said
    assert "\n" not in said


def test_a_misspelling_is_named_before_what_it_leaves_missing():
    said = sentence({"output": "o", "tokeniser": "m"})
    assert said == "build.yml: unknown key `tokeniser`; did you mean `tokenizer`? (and 1 more)"


def test_sources_may_be_bare_paths():
    config = BuildConfig.parse({**MINIMAL, "corpus": {"sources": ["a.jsonl", {"path": "b", "limit": 2}]}}, "x")
    assert config.corpus.sources == (Source(path="a.jsonl"), Source(path="b", limit=2))


def test_counts_are_taken_as_they_are():
    assert Mixture(fine_grained=7, integration=3, short_context=2).counts() == {
        "fine_grained": 7, "integration": 3, "short_context": 2, "general": 0,
    }  # fmt: skip


def test_the_papers_table_with_a_total_is_its_one_percent_run():
    paper = {"fine_grained": 1_100_000, "integration": 300_000, "short_context": 150_000, "general": 200_000}
    assert list(Mixture(**paper, total=17_500).counts().values()) == [11_000, 3_000, 1_500, 2_000]


@given(st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any), st.integers(1, 10_000))
def test_shares_come_to_the_total_and_are_never_off_by_one_or_more(shares, total):
    counts = list(Mixture(**dict(zip(PARTS, shares, strict=True)), total=total).counts().values())
    assert sum(counts) == total
    assert all(abs(count - total * share / sum(shares)) < 1 for count, share in zip(counts, shares, strict=True))


def test_file_is_read_and_overridden(tmp_path):
    path = tmp_path / "build.yml"
    path.write_text("output: a\ntokenizer: m\n")
    config = load_build_file(path, {"output": "b", "corpus.sources": ["c.txt"]})
    assert (str(config.output), config.corpus.sources[0].path) == ("b", "c.txt")


@pytest.mark.parametrize(
    ("text", "expected"), [("a: [", "not valid YAML"), ("- a", "must be a mapping"), (None, "cannot be read")]
)
def test_files_that_are_no_build_files(tmp_path, text, expected):
    path = tmp_path / "build.yml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=expected):
        load_build_file(path)


def test_nearest_gives_up_on_strangers():
    assert nearest("seeed", {"seed", "output"}) == "seed"
    assert nearest("qqq", {"seed", "output"}) is None
