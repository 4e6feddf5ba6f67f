"""A probe file, and the build file whose stages make its segments and questions."""

import pytest

from in2_plugin.config.probe import ProbeConfig, load_probe_config
from in2_plugin.errors import ConfigError


def parse(**values):
    return ProbeConfig.parse({"output": "probe", "tokenizer": "m", **values}, "probe.yml")


def test_the_smallest_file(tmp_path):
    path = tmp_path / "probe.yml"
    path.write_text("output: a\ntokenizer: m\n")
    config = load_probe_config(path, {"output": "b"})
    assert (str(config.output), config.counts, config.lengths, config.depths) == ("b", (100, 50), (4_096, 16_384), 5)


def test_its_build_file_has_the_questions_and_no_decontamination():
    build = parse(lengths=[16_384, 4_096, 4_096], fine_grained=30, integration=5).as_build("chat")
    assert {part: n for part, n in build.mixture.counts().items() if n} == {"fine_grained": 30, "integration": 5}
    assert build.lengths.max < 4_096 / 2 and build.corpus.segment_tokens == 128
    assert build.corpus.decontamination.ngram is None and not build.corpus.near_duplicates.remove


def test_short_contexts_have_short_segments():
    assert parse(lengths=[1_024]).segment_tokens == 1_024 // 15
    with pytest.raises(ConfigError, match=r"`corpus.segment_tokens: 128` is too long.*at most 68"):
        parse(lengths=[1_024], corpus={"segment_tokens": 128})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"length": [4_096]}, "unknown key `length`; did you mean `lengths`?"),
        ({"questions": {"file": "q.jsonl"}, "fine_grained": 5}, "`fine_grained` is for written questions"),
        ({"questions": {"file": "q.jsonl", "writer": "extractive"}}, "keep one of them"),
        ({"questions": {"file": "q.jsonl", "endpoint": {"model": "m"}}}, "`questions.endpoint` has no effect"),
        ({"questions": {"file": "q.jsonl", "min_yield": 0.1}}, "`questions.min_yield` has no effect"),
        ({"fine_grained": 0, "integration": 0}, "has no questions"),
        (
            {"questions": {"forms": {"prose": 0, "code": 0, "values_of_both": 0, "keys_of_both": 0}}},
            "`integration` asks for 50 integration questions, but `questions.forms` excludes every form of this kind",
        ),
        ({"lengths": [100]}, "`lengths.0`"),
        ({"questions": {"writer": "endpoint"}}, "needs a section `endpoint:`"),
    ],
)
def test_a_wrong_value_is_one_sentence(values, message):
    with pytest.raises(ConfigError) as failure:
        parse(**values)
    assert message in str(failure.value)
