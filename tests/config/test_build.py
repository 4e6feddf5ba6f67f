import pytest

from in2_plugin.config import BuildConfig, Source, load_build_config
from in2_plugin.errors import ConfigError

MINIMAL = {"output": "out", "tokenizer": "model"}
SHORT_ALONE = {"fine_grained": 0, "integration": 0}
NO_FINE_GRAINED = dict.fromkeys(["forward", "backward", "code", "structured", "sentence_with", "missing_words"], 0)


def test_the_defaults_are_those_of_the_paper():
    config = BuildConfig.parse(MINIMAL, "build.yml")
    assert (config.corpus.segment_tokens, config.lengths.min, config.lengths.max) == (128, 4_096, 32_768)
    assert config.corpus.sources == (Source(path="bundled:python-docs"),)
    assert config.template == "chat"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"output": "o"}, "`tokenizer` is required"),
        ({**MINIMAL, "lengths": {"min": 9, "max": 8}}, "`min` (9) is larger than `max` (8)"),
        ({**MINIMAL, "mixture": {"fine_grained": 0, "integration": 0, "short_context": 0}}, "set `fine_grained` or"),
        ({**MINIMAL, "mixture": {"general": 5}}, "add an instruction dataset to `instructions.sources`"),
        ({**MINIMAL, "positions": "randomly"}, "`positions.strategy` must be `shuffle`, `stratified`"),
        ({**MINIMAL, "positions": "histogram"}, "`histogram` needs `weights`"),
        ({**MINIMAL, "positions": {"strategy": "edges", "weights": [1]}}, "`weights`"),
        ({**MINIMAL, "distractors": {"judge_hardest": 2}}, "`questions.writer: extractive` uses none"),
        (
            {**MINIMAL, "questions": {"forms": {"prose": 0, "code": 0, "values_of_both": 0, "keys_of_both": 0}}},
            "`mixture.integration` asks for 300 integration questions, but `questions.forms` excludes every form",
        ),
        (
            {**MINIMAL, "mixture": SHORT_ALONE, "questions": {"forms": NO_FINE_GRAINED}},
            "`mixture.short_context` asks for 150 fine-grained questions, but `questions.forms` excludes every form",
        ),
        ({**MINIMAL, "questions_per_context": 0}, "`questions_per_context`"),
        ({**MINIMAL, "seed": -1}, "`seed` must be at least 0, got -1"),
        ({**MINIMAL, "corpus": {"sources": []}}, "`corpus.sources`"),
        ({**MINIMAL, "template": "chatml"}, "`template` must be `chat` or `film`, got 'chatml'"),
    ],
)
def test_invalid_values_give_one_sentence(data, expected):
    with pytest.raises(ConfigError) as caught:
        BuildConfig.parse(data, "build.yml")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_build_file_is_read_with_overrides(tmp_path):
    path = tmp_path / "build.yml"
    path.write_text("output: a\ntokenizer: m\n")
    config = load_build_config(str(path), {"output": "b", "corpus.sources": ["c.txt"]})
    assert (str(config.output), config.corpus.sources[0].path) == ("b", "c.txt")


@pytest.mark.parametrize(
    ("text", "expected"), [("a: [", "not valid YAML"), ("- a", "must be a mapping"), (None, "cannot be read")]
)
def test_files_that_are_not_build_files_are_refused(tmp_path, text, expected):
    path = tmp_path / "build.yml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=expected):
        load_build_config(path)
