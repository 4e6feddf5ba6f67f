import pytest

from in2_plugin.config import BuildConfig, Source, load_build_file, nearest
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
        ({**MINIMAL, "mixture": {"fine_grained": 0, "integration": 0}}, "no example at all"),
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
