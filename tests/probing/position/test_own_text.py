"""The probe of a folder: prompts, controls and score, and one sentence for a folder that cannot be used."""

import shutil

import pytest

from in2_plugin import layout
from in2_plugin.errors import ConfigError, ProbeError
from in2_plugin.probing.position.own_text import PROBE
from in2_plugin.probing.probes.registry import POSITION_PROBES
from tests.support.own_documents import GOOD, build_probe


@pytest.fixture(scope="module")
def folder(tmp_path_factory, mistral_folder):
    return build_probe(tmp_path_factory.mktemp("own"), mistral_folder)


def load(folder, control="", **options):
    return PROBE.load({"probe": str(folder), **options}, control, None)


def test_it_is_registered():
    assert POSITION_PROBES["in2_probe"] is PROBE


def test_each_prompt_has_its_gold_and_its_question(folder):
    prompts = load(folder)
    assert len(prompts.questions) == 2 * 5 * len(GOOD)
    for question in prompts.questions:
        prompt = prompts.prompt(question)
        assert all(text in prompt for text in question.gold) and prompt.endswith(question.text)
        assert PROBE.score(question.gold, prompt) == 1.0 and PROBE.score(question.gold, question.other) == 0.0


def test_lengths_can_be_chosen(folder):
    assert {question.length for question in load(folder, probe_lengths=[2_048]).questions} == {2_048}
    assert {question.length for question in load(folder, probe_lengths=2_048).questions} == {2_048}
    with pytest.raises(ConfigError, match="has no contexts of 4,096 tokens; set probe_lengths to some of 1024, 2048"):
        load(folder, probe_lengths=[4_096])


def test_too_long_prompts_have_an_advice_that_can_be_followed():
    assert PROBE.advice("", {}) == (
        "keep only lengths up to {length} in probe_lengths, or build the probe with shorter `lengths`"
    )
    assert PROBE.advice("gold_only", {}) == "test a model with a longer window"


def test_closed_book_shows_no_context_and_gold_only_no_other_text(folder):
    closed, alone = load(folder, "closed_book"), load(folder, "gold_only")
    for prompts in (closed, alone):
        assert [(one.question, one.n_depths, one.gold_depths) for one in prompts.questions] == [
            (i, 1, ()) for i in range(len(GOOD))
        ]
    assert not any(text in closed.prompt(one) for one in closed.questions for text in one.gold)
    for one in alone.questions:
        prompt = alone.prompt(one)
        assert all(text in prompt for text in one.gold) and prompt.count("The keeper of station") == 1
    assert closed.digest() == alone.digest() == load(folder).digest()


def test_no_folder_is_given():
    with pytest.raises(ConfigError, match=r"in2_probe: needs a probe folder; pass --metadata"):
        PROBE.load({}, "", None)


def test_a_folder_that_is_missing_or_something_else(tmp_path):
    with pytest.raises(ProbeError, match="no such folder; give the `output` of a probe file"):
        load(tmp_path / "missing")
    with pytest.raises(ProbeError, match="is not a probe"):
        load(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / layout.CONTEXTS).unlink(),
        lambda folder: (folder / layout.CONTEXTS).write_bytes(b"PAR1"),
        lambda folder: (folder / layout.PROBE).write_text("{}"),
        lambda folder: shutil.copy(folder / layout.DOCUMENTS, folder / layout.PROBE_QUESTIONS),
        lambda folder: shutil.rmtree(folder / layout.SEGMENTS),
        lambda folder: _replace(folder / layout.SEGMENTS / layout.SEGMENT_TABLE, b"keeper", b"butler"),
        lambda folder: _replace(folder / layout.PROBE, b'"digest": "', b'"digest": "f'),
    ],
)
def test_a_damaged_folder_is_refused_with_one_sentence(folder, tmp_path, damage):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    damage(copy)
    with pytest.raises(ProbeError, match=r"is damaged .*run `in2 probe build --restart`"):
        load(copy)


def _replace(path, old, new):
    path.write_bytes(path.read_bytes().replace(old, new))
