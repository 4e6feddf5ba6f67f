"""What `in2 probe init` proposes: lengths within the window and the text, numbers of questions by the text."""

import json
import os
from itertools import product

import pytest

from in2_plugin.config.probe import load_probe_config
from in2_plugin.errors import ConfigError, CorpusError
from in2_plugin.probing.own_text import probe_file
from in2_plugin.probing.own_text.probe_file import model_window, plan_probe, write_probe_file


@pytest.fixture
def given(monkeypatch):
    """Set the tokens of the documents and the model's window."""

    def set_to(tokens, window, n_documents=10):
        counts = tokens if isinstance(tokens, dict) else {f"{i}.md": tokens // n_documents for i in range(n_documents)}
        monkeypatch.setattr(probe_file, "_documents", lambda corpus, model: (counts, False))
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


def test_short_documents_give_no_integration_questions(given):
    given(40_000, 8_192, n_documents=400)
    assert (plan_probe(["docs"], "m").fine_grained, plan_probe(["docs"], "m").integration) == (80, 0)


def test_the_other_documents_fill_the_longest_context_beside_the_largest(given):
    given({"book.txt": 100_000, "notes.md": 5_000, "list.md": 3_000}, 32_768)
    assert plan_probe(["docs"], "m").lengths[-1] == 7_424
    given({"book.txt": 100_000, "notes.md": 1_100}, 32_768)
    with pytest.raises(CorpusError, match=r"book\.txt: has 100,000 of the 101,100 tokens.*add documents, or divide it"):
        plan_probe(["docs"], "m")


def test_long_documents_are_read_in_part(tmp_path, mistral_folder, monkeypatch):
    for name, n in (("a", 300), ("b", 10)):
        (tmp_path / f"{name}.txt").write_text("word " * n)
    assert probe_file._documents([str(tmp_path)], str(mistral_folder))[1] is False
    monkeypatch.setattr(probe_file, "MOST_OF_DOCUMENT", 100)
    counts, is_cut = probe_file._documents([str(tmp_path)], str(mistral_folder))
    assert is_cut and [name.rpartition("/")[2] for name in counts] == ["a.txt", "b.txt"]


def test_a_folder_that_cannot_be_written_is_an_error_before_any_reading(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="new: no such folder; create it, or give another name with --file"):
        write_probe_file(tmp_path / "new" / "probe.yml", ["docs"], "m", tmp_path, None)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ConfigError, match="is read-only; give another name with --file"):
        write_probe_file(tmp_path / "probe.yml", ["docs"], "m", tmp_path, None)


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
