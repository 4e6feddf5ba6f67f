"""The probe of a probe file: exact lengths, every depth, no leaks, the same bytes, resumed after a kill."""

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from in2_plugin import layout
from in2_plugin.config.probe import ProbeConfig
from in2_plugin.corpus.screening.document_digests import read_digests
from in2_plugin.dataset.build_record import BuildFileChange
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import ConfigError, NotEnoughQuestions, NotEnoughSegments, ProbeError
from in2_plugin.probing.own_text.build import build_own_probe
from in2_plugin.probing.own_text.contexts import ContextPlanner, NoRoom
from in2_plugin.probing.own_text.tables import read_probe
from in2_plugin.probing.position.own_text import PROBE
from in2_plugin.probing.probes.tokens import load_tokens
from in2_plugin.questions.leaks import Forbidden
from tests.support.builds import Quiet

SOURCE = {"path": "bundled:python-docs", "limit": 250}
RESULTS = (
    layout.QUESTIONS, layout.REJECTED, layout.PROBE_QUESTIONS, layout.CONTEXTS, layout.DOCUMENTS, layout.PROBE,
)  # fmt: skip


def config(output: Path, tokenizer: Path, **changes) -> ProbeConfig:
    values = {
        "output": str(output), "tokenizer": str(tokenizer), "workers": 1, "corpus": {"sources": [SOURCE]},
        "fine_grained": 15, "integration": 10, "lengths": [1_024, 2_048],
    }  # fmt: skip
    return ProbeConfig.parse({**values, **changes}, "test")


def texts(folder: Path, sizes: list[int]) -> dict[str, list[str]]:
    """Write documents of about so many words each, and return the section `corpus`."""
    for i, n in enumerate(sizes):
        sentences = (f"The {j * 7919 % 100_003} ships of harbour {i} sailed on day {j}." for j in range(n // 9))
        (folder / f"{i}.txt").write_text("\n\n".join(sentences))
    return {"sources": [str(folder / f"{i}.txt") for i in range(len(sizes))]}


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in RESULTS}


@pytest.fixture(scope="module")
def probe(tmp_path_factory, mistral_folder):
    return build_own_probe(config(tmp_path_factory.mktemp("own") / "probe", mistral_folder))


def test_the_longest_prompt_and_the_answer_fit_exactly(probe, mistral_folder):
    tokens = load_tokens({"tokenizer": str(mistral_folder)}, takes_chat_template=True)
    prompts = PROBE.load({"probe": str(probe.folder)}, "", tokens)
    longest = Counter()
    for question in prompts.questions:
        longest[question.length] = max(longest[question.length], tokens.prompt(prompts.prompt(question)))
    assert all(length - 64 < longest[length] + 128 <= length for length in (1_024, 2_048))


def test_every_question_is_asked_once_at_every_depth_of_every_length(probe):
    asked = Counter((context.length, one.question, one.depth) for context in probe.contexts for one in context.asked)
    assert asked == dict.fromkeys(((n, q, d) for n in (1_024, 2_048) for q in range(25) for d in range(5)), 1)
    assert all(int(5 * one.gold_depths[0]) == one.depth for context in probe.contexts for one in context.asked)


def test_the_map_of_two_depths_is_filled_evenly(probe):
    golds = [one.gold_depths for context in probe.contexts if context.length == 2_048 for one in context.asked]
    cells = Counter(tuple(int(5 * depth) for depth in depths) for depths in golds if len(depths) == 2)
    assert cells == dict.fromkeys(((a, b) for a in range(5) for b in range(5)), 2)


def test_no_other_text_of_a_context_answers_a_question(probe):
    for context in probe.contexts:
        for one in context.asked:
            question = probe.questions[one.question]
            leaks = Forbidden(question.exclusive, question.gold)
            others = [i for i in context.segment_ids if i not in question.segments]
            assert set(question.segments) <= set(context.segment_ids)
            assert not any(leaks.found_in(probe.store.text(i).casefold()) for i in others)
            assert not {probe.store.document[i] for i in others} & {question.document}


def test_the_same_bytes_for_any_number_of_workers(probe, tmp_path, mistral_folder):
    other = build_own_probe(config(tmp_path / "two", mistral_folder, workers=2))
    assert contents(other.folder) == contents(probe.folder)


def test_a_killed_build_resumes_to_the_same_bytes(probe, tmp_path, mistral_folder):
    program = (
        "from pathlib import Path; from tests.probing.own_text.test_build import *; "
        "import os; ContextPlanner.plan = lambda *_: os.kill(os.getpid(), signal.SIGKILL); "  # after the questions
        f"build_own_probe(config(Path({str(tmp_path / 'killed')!r}), Path({str(mistral_folder)!r})))"
    )
    child = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[3], check=False)
    assert child.returncode == -signal.SIGKILL and (tmp_path / "killed" / layout.QUESTIONS).exists()
    assert not (tmp_path / "killed" / layout.PROBE).exists()
    with pytest.raises(ProbeError, match="is not a complete probe; run `in2 probe build` again"):
        read_probe(tmp_path / "killed")
    resumed = build_own_probe(config(tmp_path / "killed", mistral_folder))
    assert contents(resumed.folder) == contents(probe.folder)
    assert not (resumed.folder / layout.PARTS).exists()


def test_some_documents_are_drawn_and_the_others_are_left(tmp_path, mistral_folder):
    drawn = build_own_probe(config(tmp_path / "drawn", mistral_folder, documents=100, integration=0, lengths=[1_024]))
    used = {int(drawn.store.document[i]) for context in drawn.contexts for i in context.segment_ids}
    usable = {int(number) for number in drawn.store.document[drawn.store.usable]}
    assert used <= usable and len(usable) == 100
    assert len(read_digests(drawn.folder / layout.DOCUMENTS)) == len(used)


def test_a_folder_of_another_probe_file_is_refused_and_restarted(tmp_path, mistral_folder):
    few = {"fine_grained": 5, "integration": 0, "lengths": [1_024]}
    build_own_probe(config(tmp_path / "probe", mistral_folder, **few))
    changed = config(tmp_path / "probe", mistral_folder, **{**few, "depths": 3})
    with pytest.raises(ConfigError, match=r"was built with `depths: 5`.*`in2 probe build --restart`"):
        build_own_probe(changed)
    assert build_own_probe(changed, change=BuildFileChange.RESTART).facts.n_depths == 3


@pytest.mark.parametrize("sizes", [[30_000], [3_000, 2_900]])
def test_no_context_without_other_documents_is_an_error_before_any_question(tmp_path, mistral_folder, sizes):
    with pytest.raises(NotEnoughSegments, match=r"without the document of a question, at most .* do not fill"):
        build_own_probe(config(tmp_path / "probe", mistral_folder, corpus=texts(tmp_path, sizes), lengths=[8_192]))
    assert not (tmp_path / "probe" / layout.QUESTIONS).exists()


def test_the_document_that_others_do_not_fill_a_context_beside_is_named(tmp_path, mistral_folder):
    said = Quiet()
    few = {"fine_grained": 2, "integration": 0, "lengths": [4_096]}
    corpus = texts(tmp_path, [10_000, 1_000])
    with pytest.raises(NotEnoughQuestions, match=r"^fine_grained asks for 2 .*; add text, or lower `fine_grained`$"):
        build_own_probe(config(tmp_path / "probe", mistral_folder, corpus=corpus, **few), said)
    (line,) = [line for line in said.lines if line.startswith("no question about ")]
    assert "/0.txt can be asked: the other documents have" in line


def test_a_question_without_room_is_left_out_with_its_reason(tmp_path, mistral_folder, monkeypatch):
    plan = ContextPlanner.plan

    def without_room(self, questions, lengths):
        if len(questions) == 12:
            raise NoRoom(questions[2], "too few segments; raise `lengths`")
        return plan(self, questions, lengths)

    monkeypatch.setattr(ContextPlanner, "plan", without_room)
    few = {"fine_grained": 12, "integration": 0, "lengths": [1_024]}
    probe = build_own_probe(config(tmp_path / "probe", mistral_folder, **few))
    left_out = list(read_rows(probe.folder / layout.REJECTED))[-1]
    assert left_out["reason"] == "too few segments" and len(probe.questions) == 11
    assert left_out["question"] not in {question.text for question in probe.questions}


def test_too_little_text_is_an_error_before_any_question(tmp_path, mistral_folder):
    with pytest.raises(NotEnoughSegments, match="do not fill a context of 1,000,000"):
        build_own_probe(config(tmp_path / "probe", mistral_folder, lengths=[1_000_000]))
    assert not (tmp_path / "probe" / layout.QUESTIONS).exists()
