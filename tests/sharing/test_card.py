"""The card of a dataset: a valid header for the Hub, and correct facts."""

import json
import re
from dataclasses import replace

import pytest
import yaml

from in2_plugin import layout
from in2_plugin.config import BuildConfig
from in2_plugin.config.corpus import BUNDLED_CORPUS
from in2_plugin.dataset.reader import Manifest
from in2_plugin.sharing.card import answer_writers, dataset_card, size_category, with_answer_writer


@pytest.fixture
def manifest(in_chat) -> Manifest:
    return in_chat.dataset.manifest


def header(card: str) -> dict:
    return yaml.safe_load(card.split("---\n")[1])


def with_sources(manifest: Manifest, *sources: dict) -> Manifest:
    """The same, built from these and without a general part."""
    full = [{"name": None, "limit": None, "license": None, **source} for source in sources]
    changes = {"corpus": {**manifest.build["corpus"], "sources": full},
               "mixture": {**manifest.build["mixture"], "general": 0}}  # fmt: skip
    return replace(manifest, build={**manifest.build, **changes})


@pytest.mark.parametrize(
    ("licenses", "expected"),
    [
        (["cc-by-4.0"], {"license": "cc-by-4.0"}),
        (["MIT", "ODC-BY"], {"license": ["mit", "odc-by"]}),
        (["mit", "mit"], {"license": "mit"}),
        (["Our own: ask us"], {"license": "other", "license_name": "our-own-ask-us"}),
        (["mit", "X 1.0"], {"license": "other", "license_name": "mit-and-x-1.0"}),
        (["mit", None], {}),
    ],
)
def test_licence_in_the_header(manifest, licenses, expected):
    changed = with_sources(manifest, *({"path": f"{i}.jsonl", "license": name} for i, name in enumerate(licenses)))
    found = header(dataset_card(changed, "0"))
    assert {key: value for key, value in found.items() if key.startswith("license")} == expected


def test_the_bundled_corpus_has_its_own_licence(manifest):
    card = dataset_card(with_sources(manifest, {"path": BUNDLED_CORPUS}), "0")
    assert header(card)["license"] == "other" and header(card)["license_name"] == "psf-2.0"
    assert header(card)["license_link"] == "https://docs.python.org/3/license.html"
    assert "| `bundled:python-docs` | PSF-2.0 |" in card


def test_registers_are_no_documents_of_the_corpus(manifest):
    counts = {**manifest.counts, "documents": 100, "segments": 1_000, "record_segments": 128}
    card = dataset_card(replace(manifest, counts=counts), "0")
    assert "| corpus | 36 documents, 872 segments |\n| invented records | 64 lists, 128 segments |" in card


def test_sources_of_conversations_are_listed(manifest):
    card = dataset_card(manifest, "0")
    assert re.search(r"\| `.*chats\.jsonl` \| cc-by-4\.0 \|", card)
    assert "| `bundled:python-docs`, at most 120 read | PSF-2.0 |" in card


def test_header_names_the_data_and_its_digest(manifest):
    found = header(dataset_card(manifest, "abc"))
    files = [{"split": "train", "path": "examples.parquet"}]
    assert found["configs"] == [{"config_name": "build-abc", "data_files": files}]
    assert found["size_categories"] == ["n<1K"] and "long-context" in found["tags"]


@pytest.mark.parametrize(
    ("rows", "name"), [(0, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (1_400_000, "1M<n<10M"), (10**7, "10M<n<100M")]
)
def test_size_category(rows, name):
    assert size_category(rows) == name


def test_counts_match_the_dataset(in_chat, manifest):
    rows = list(in_chat.dataset.rows())
    tokens, answers = (sum(row[name] for row in rows) for name in ("n_tokens", "n_answer_tokens"))
    turns = sum(len(row["turns"]) for row in rows)
    card = dataset_card(manifest, "0")
    assert f"| examples | {len(rows):,}, with {turns:,} questions |" in card
    assert f"| tokens | {tokens:,}, of them {answers:,} supervised |" in card
    assert f"| mean answer | {answers / turns:,.1f} tokens" in card
    assert f"| longest example | {max(row['n_tokens'] for row in rows):,} tokens" in card
    for part in {row["part"] for row in rows}:
        assert f"| part `{part}` | {sum(row['part'] == part for row in rows)} examples |" in card


def test_the_build_file_in_the_card_parses_to_the_same_config(manifest, tmp_path):
    (block,) = re.findall(r"```json\n(.*?)```", dataset_card(manifest, "0"), re.DOTALL)
    assert BuildConfig.parse(yaml.safe_load(block), "card") == BuildConfig.parse(dict(manifest.build), "manifest")
    assert f'pip install "in2-plugin=={manifest.version}"' in dataset_card(manifest, "0")


def test_writer_and_judge_are_named_and_no_key(manifest, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    endpoint = {"model": "gpt-4o", "api_key_env": "OPENAI_API_KEY"}
    verify = {"fine_grained": ["closed_book"], "integration": ["answerable", "needs_all"]}
    questions = {"writer": "endpoint", "endpoint": endpoint, "verify": verify}
    config = BuildConfig.parse({"output": "o", "tokenizer": "t", "questions": questions}, "test")
    card = dataset_card(replace(manifest, build=config.model_dump(mode="json")), "0")
    assert "Questions by the `endpoint` writer, model `gpt-4o`." in card
    assert "Checked by `gpt-4o`: answerable, closed_book, needs_all." in card
    assert "sk-very-secret" not in card
    assert "without a language model" in dataset_card(manifest, "0")


def test_screening_and_audit(manifest):
    figures = [{"name": "depth | all", "value": 0.01234567, "bound": 0.05, "passed": True, "detail": "D\nof 6 lengths"},
               {"name": "leaks", "value": 3, "bound": 0, "passed": False, "detail": ""}]  # fmt: skip
    screened = replace(manifest, counts={**manifest.counts, "near_duplicates": 1_234})
    card = dataset_card(screened, "0", json.loads(json.dumps({"passed": False, "figures": figures})))
    assert "| segments that say almost the same as an earlier one | 1,234 |" in card
    assert "| depth \\| all | 0.01235 | 0.05 | passed | D of 6 lengths |" in card
    assert "| leaks | 3 | 0 | FAILED |  |" in card
    assert "## Audit" not in dataset_card(manifest, "0", None)


def test_a_strange_path_does_not_break_the_card(manifest):
    strange = {"path": "a|b: 'c' {0}\n---", "license": 'x"\n---\n# y'}
    card = dataset_card(with_sources(manifest, strange), "0")
    assert header(card)["license"] == "other" and header(card)["license_name"] == "x-y"
    assert "a\\|b: 'c' {0} ---` |" in card


def test_the_card_says_once_who_wrote_the_answers(manifest, tmp_path):
    assert answer_writers(tmp_path) == []
    (tmp_path / layout.WRITTEN).mkdir()
    (tmp_path / layout.WRITTEN / layout.WRITTEN_REPORT).write_text('{"sentence": "All by m"}')
    (sentence,) = answer_writers(tmp_path)
    card = with_answer_writer(dataset_card(manifest, "0" * 16), sentence)
    assert card.count("## Questions\n\nAll by m\n") == 1 and with_answer_writer(card, sentence) == card
    assert header(card)
