"""Built probes and the authors' data as lists of questions."""

import functools

import pytest
from transformers import AutoTokenizer

from in2_plugin.corpus.tokenizer import load_tokenizer
from in2_plugin.errors import ProbeError, TokenizerError
from in2_plugin.probing.offline.sources import OfflineProbe, offline_built, offline_published
from in2_plugin.probing.probes.matrix import MATRIX, all_probes
from in2_plugin.probing.probes.options import ProbeOptions
from in2_plugin.probing.probes.registry import PROBES
from tests.support import paper_data

SMALL = ProbeOptions(probe_length=1_024, probe_sets=2, probe_questions=5)
A_CELL = sorted(MATRIX)[0]


@pytest.fixture(scope="module")
def built(mistral_folder):
    """Each probe once: loading a tokenizer takes a second."""

    @functools.cache
    def build(name: str, template: str) -> OfflineProbe:
        return offline_built(all_probes()[name], SMALL, str(mistral_folder), template)

    return build


@pytest.mark.parametrize(
    ("name", "template"), [("document", "plain"), ("code", "film"), ("database", "chat"), (A_CELL, "chat")]
)
def test_built(name, template, built, mistral_folder):
    probe = built(name, template)
    tokenizer = load_tokenizer(str(mistral_folder))
    begins = {"plain": "Below is", "film": "[INST] Below is", "chat": "<s>[INST] Below is"}[template]
    places = [(question.set, question.position) for question in probe.questions]
    assert places == sorted(places) and len(places) == 10
    for question in probe.questions:
        prompt = probe.prompt(question.set, question.position)
        assert prompt.startswith(begins) and prompt.endswith("[/INST]") == (template != "plain")
        assert question.gold_row["query"] in prompt.rsplit("### Instruction:", 1)[1]
        assert tokenizer.count([prompt])[0] <= probe.facts["longest_prompt"] <= 1_024 - 128
    facts = probe.facts
    assert (facts["task"], facts["length"], facts["seed"], facts["pieces"]) == (name, 1_024, 0, "bundled")
    assert facts["template"] == template and facts["tokenizer"] == str(mistral_folder)
    assert [one["longest_prompt"] <= facts["longest_prompt"] for one in facts["sets"]] == [True, True]


def test_gold_rows_say_if_the_prompt_opens_a_thought(qwen_folder, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(qwen_folder)
    tokenizer.chat_template += "<think>\n"
    tokenizer.save_pretrained(tmp_path)
    probe = offline_built(PROBES["code"], SMALL, str(tmp_path), "chat")
    assert all(question.gold_row["opens_thought"] for question in probe.questions)
    assert "opens_thought" not in offline_built(PROBES["code"], SMALL, str(tmp_path), "plain").questions[0].gold_row


def test_gold_rows_have_the_published_names(built):
    document, database, cell = (
        built(name, template).questions[0].gold_row
        for name, template in (("document", "plain"), ("database", "chat"), (A_CELL, "chat"))
    )
    common = ["id", "set_id", "position_id", "n_positions", "query"]
    assert list(document) == [*common, "completion"]
    assert list(database) == [*common, "label", "description"]
    assert list(cell) == [*common, "gold"] and len(cell["gold"]) == 2
    assert database["id"] == f"database-0-{database['position_id']}"


def test_a_chat_template_must_be_there(qwen_folder, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for file in qwen_folder.iterdir():
        if file.name == "tokenizer.json":
            (bare / file.name).write_bytes(file.read_bytes())
    with pytest.raises(TokenizerError, match="has no chat template"):
        offline_built(PROBES["code"], SMALL, str(bare), "chat")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paper")
    paper_data.as_downloaded(folder, "code", paper_data.rows("code", 2, 8))
    return str(folder)


def test_the_authors_own_prompts(folder, mistral_folder):
    probe = offline_published(PROBES["code"], folder, "film", None)
    rows = paper_data.rows("code", 2, 8)
    assert [probe.prompt(question.set, question.position) for question in probe.questions] == [
        row["prompt"] for row in rows
    ]
    assert probe.facts["longest_prompt"] is None and probe.facts["data"] == folder
    ambiguous = [question.position for question in probe.questions if question.gold_row["ambiguous"]]
    assert ambiguous == list(paper_data.TWINS)
    counted = offline_published(PROBES["code"], folder, "film", str(mistral_folder))
    assert counted.facts["longest_prompt"] > 200


def test_the_authors_questions_for_other_models(folder, mistral_folder):
    plain = offline_published(PROBES["code"], folder, "plain", None).prompt(1, 7)
    assert plain.startswith("Below is") and plain.endswith('snip "b(1x7)" ?')
    chat = offline_published(PROBES["code"], folder, "chat", str(mistral_folder)).prompt(1, 7)
    assert chat == f"<s>[INST] {plain} [/INST]"
    with pytest.raises(ProbeError, match="template chat is that of a tokenizer; set --tokenizer"):
        offline_published(PROBES["code"], folder, "chat", None)
