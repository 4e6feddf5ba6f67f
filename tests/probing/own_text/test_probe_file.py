"""What `in2 probe init` proposes: lengths within the window and the text, numbers of questions by the text."""

import json
from itertools import product

import pytest

from in2_plugin.config.probe import load_probe_config
from in2_plugin.errors import CorpusError
from in2_plugin.probing.own_text import probe_file
from in2_plugin.probing.own_text.probe_file import model_window, plan_probe, write_probe_file


@pytest.fixture
def given(monkeypatch):
    """Set the tokens of the documents and the model's window."""

    def set_to(tokens, window):
        monkeypatch.setattr(probe_file, "_tokens", lambda corpus, model: tokens)
        monkeypatch.setattr(probe_file, "model_window", lambda model: window)

    return set_to


@pytest.mark.parametrize(
    ("tokens", "window", "lengths"),
    [
        (1_000_000, 8_192, (2_048, 4_096, 8_192)),
        (10_000_000, 131_072, (16_384, 32_768, 65_536)),
        (10_000_000, None, (16_384, 32_768, 65_536)),
        (40_000, 32_768, (2_304, 4_864, 9_984)),
        (5_000, 8_192, (1_024,)),
    ],
)
def test_lengths_fit_the_window_and_the_text(given, tokens, window, lengths):
    given(tokens, window)
    plan = plan_probe(["docs"], "m")
    assert plan.lengths == lengths and plan.lengths[-1] <= min(window or 65_536, tokens / 4)


def test_little_text_gives_few_questions(given):
    given(8_000, 8_192)
    plan = plan_probe(["docs"], "m")
    assert (plan.fine_grained, plan.integration) == (16, 5)


def test_too_little_text_is_an_error(given):
    given(900, 8_192)
    with pytest.raises(CorpusError, match="docs: has 900 tokens, and a probe needs"):
        plan_probe(["docs"], "m")


@pytest.mark.parametrize(("questions", "model"), product([None, "my: questions.jsonl"], ["m", "a # b"]))
def test_the_file_is_valid_for_any_name(given, tmp_path, questions, model):
    given(1_000_000, 8_192)
    path = tmp_path / "probe.yml"
    write_probe_file(path, ["docs: a", "b"], model, tmp_path / "out", questions)
    config = load_probe_config(path)
    assert [source.path for source in config.corpus.sources] == ["docs: a", "b"] and config.tokenizer == model
    assert (config.questions.file.path if config.questions.file else None) == questions


def test_the_window_of_a_model_folder(tmp_path):
    assert model_window(str(tmp_path)) is None
    (tmp_path / "config.json").write_text(json.dumps({"text_config": {"max_position_embeddings": 4_096}}))
    assert model_window(str(tmp_path)) == 4_096
