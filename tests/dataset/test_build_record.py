import json

import pytest

from in2_plugin import layout
from in2_plugin.config import BuildConfig
from in2_plugin.config.probe import ProbeConfig
from in2_plugin.dataset.build_record import (
    DATASET,
    EXTENDABLE,
    PROBE,
    BuildFileChange,
    changeable_keys,
    claim,
    make_folder,
    stored_config,
)
from in2_plugin.errors import ConfigError

ENDPOINT = {"writer": "endpoint", "endpoint": {"model": "big"}}


def config(folder, **changes) -> BuildConfig:
    return BuildConfig.parse({"output": str(folder), "tokenizer": "t", "questions": ENDPOINT, **changes}, "test")


def endpoint(**changes) -> dict:
    return {"questions": {**ENDPOINT, "endpoint": {"model": "big", **changes}}}


@pytest.fixture
def folder(tmp_path):
    """A folder with finished questions."""
    claim(tmp_path, config(tmp_path))
    (tmp_path / "segments").mkdir()
    for name in ("segments/store.json", "segments/exclusions.parquet", "questions.parquet", "work.sqlite"):
        (tmp_path / name).write_text("")
    return tmp_path


def there(folder) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file() and path.name != layout.CLAIM_LOCK}


def test_keys_that_no_answer_depends_on():
    """The list is complete: a change of any other key is refused."""
    section = "questions.endpoint"
    live = ["base_url", "api_key_env", "mode", "batch_requests", "poll_seconds", "concurrency", "timeout", "attempts"]
    names = [*live, "max_error_rate", "prices"]
    assert set(changeable_keys(BuildConfig)) == {
        "output",
        "workers",
        "audit",
        "corpus.decontamination.against.path",
        *(
            f"{sources}.{name}"
            for sources in ("corpus.sources", "corpus.decontamination.sources", "instructions.sources")
            for name in ("license", "max_bad_rows")
        ),
        *(f"questions.{name}" for name in ("min_yield", "max_calls", "max_cost")),
        *(f"{section}.{name}" for name in names),
        *(f"questions.verify.judge.{name}" for name in names),
        "questions.vllm.engine",
        "questions.vllm.ray",
        "ray",
        "questions.vllm.batch_requests",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 7},
        {"corpus": {"segment_tokens": 64}},
        endpoint(model="small"),
        endpoint(parameters={"temperature": 0.5}),
        endpoint(answer_format="markers"),
        {"questions": {**ENDPOINT, "questions_per_call": 3}},
        {"questions": {**ENDPOINT, "prompts": {"fine_grained": "Ask about {context}"}}},
        {"questions": {**ENDPOINT, "verify": {"fine_grained": ["answerable"]}}},
        {"mixture": {"fine_grained": 5}},
    ],
)
def test_a_changed_key_is_refused_with_both_values(folder, change):
    before = there(folder)
    with pytest.raises(ConfigError, match=r"was built with `[a-z_.]+: .*`, but the build file now has `"):
        claim(folder, config(folder, **change))
    assert there(folder) == before


def test_both_values_are_named(folder):
    with pytest.raises(ConfigError) as caught:
        claim(folder, config(folder, **endpoint(model="small")))
    key = "questions.endpoint.model"
    assert f"was built with `{key}: big`, but the build file now has `{key}: small`" in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"base_url": "http://other/v1"}, {"concurrency": "1-2"}, {"prices": {"input": 1, "output": 2}}]
)
def test_a_key_that_no_answer_depends_on_may_change(folder, change):
    before = there(folder)
    claim(folder, config(folder, **endpoint(**change)))
    assert there(folder) == before
    # and it is what the folder says from now on
    assert next(iter(change)) in (folder / "build.json").read_text()


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("mixture", {"fine_grained": 5}),
        ("lengths", {"max": 9_000}),
        ("template", "film"),
        ("positions", "shuffle"),
        ("questions_per_context", 4),
        ("distractors", {"answer": False}),
        ("instructions", {"sources": ["chats.jsonl"]}),
    ],
)
def test_extending_keeps_segments_and_answers(folder, key, change):
    assert key in EXTENDABLE
    with pytest.raises(ConfigError, match="run `in2 build --extend`"):
        claim(folder, config(folder, **{key: change}))
    claim(folder, config(folder, **{key: change}), BuildFileChange.EXTEND)
    assert there(folder) == {"build.json", "store.json", "exclusions.parquet", "work.sqlite"}
    claim(folder, config(folder, **{key: change}))


@pytest.mark.parametrize("change", [{"decontamination": {"ngram": 8}}, {"near_duplicates": {"remove": False}}])
def test_extending_with_other_screening_keeps_segments_and_answers(folder, change):
    claim(folder, config(folder, corpus=change), BuildFileChange.EXTEND)
    assert there(folder) == {"build.json", "store.json", "work.sqlite"}


def _from_before_whole_items(folder, ngram) -> None:
    """Make the record one of a version that compared only n-grams."""
    claim(folder, config(folder, corpus={"decontamination": {"ngram": ngram}}), BuildFileChange.EXTEND)
    (folder / "segments/exclusions.parquet").write_text("")
    record = json.loads((folder / "build.json").read_text())
    del record["corpus"]["decontamination"]["whole_items"]
    (folder / "build.json").write_text(json.dumps(record))


@pytest.mark.parametrize(("ngram", "same"), [(10, {"whole_items": 10}), (8, {"whole_items": 8}), (None, {})])
@pytest.mark.parametrize("change", [BuildFileChange.REFUSE, BuildFileChange.EXTEND])
def test_a_folder_from_before_whole_items_goes_on_with_the_rule_it_had(folder, ngram, same, change):
    _from_before_whole_items(folder, ngram)
    before = there(folder)
    wanted = config(folder, corpus={"decontamination": {"ngram": ngram, **same}})
    claim(folder, wanted, change)
    assert there(folder) == before
    assert stored_config(folder, "build.json") == wanted


def test_a_folder_from_before_whole_items_is_not_continued_with_the_new_rule(folder):
    _from_before_whole_items(folder, 10)
    with pytest.raises(ConfigError, match=r"with `corpus\.decontamination\.whole_items: 10`, but .* now has .*: 5`"):
        claim(folder, config(folder))


def test_a_licence_may_be_added_later(folder):
    sources = [{"path": "bundled:python-docs", "license": "PSF-2.0"}]
    before = there(folder)
    claim(folder, config(folder, corpus={"sources": sources}))
    assert there(folder) == before
    with pytest.raises(ConfigError, match=r"`corpus\.sources\.limit: None`, but the build file now has"):
        claim(folder, config(folder, corpus={"sources": [{**sources[0], "limit": 3}]}))


def test_extending_does_not_cover_another_model(folder):
    before = there(folder)
    change = {**endpoint(model="small"), "mixture": {"fine_grained": 5}}
    with pytest.raises(ConfigError, match=r"model: small`.*`--extend` accepts only changes of mixture"):
        claim(folder, config(folder, **change), BuildFileChange.EXTEND)
    assert there(folder) == before


def test_extending_an_unchanged_folder_removes_nothing(folder):
    before = there(folder)
    claim(folder, config(folder), BuildFileChange.EXTEND)
    assert there(folder) == before


def test_restarting_keeps_paid_answers(folder):
    claim(folder, config(folder, seed=7), BuildFileChange.RESTART)
    assert there(folder) == {"build.json", "work.sqlite"}
    assert json.loads((folder / "build.json").read_text())["seed"] == 7


def test_a_folder_without_build_record_is_refused(folder):
    (folder / "build.json").write_text("{")
    with pytest.raises(ConfigError, match="missing or damaged"):
        claim(folder, config(folder))
    claim(folder, config(folder), BuildFileChange.RESTART)
    assert "work.sqlite" in there(folder)


@pytest.mark.parametrize("change", BuildFileChange)
@pytest.mark.parametrize("evidence", ["build.json", "last stage"])
@pytest.mark.parametrize(("own", "other"), [(DATASET, PROBE), (PROBE, DATASET)])
def test_a_folder_of_the_other_kind_is_never_replaced(tmp_path, change, evidence, own, other):
    files = {DATASET: config(tmp_path), PROBE: ProbeConfig(output=tmp_path, tokenizer="t")}
    if evidence == "build.json":
        claim(tmp_path, files[other], kind=other)
    else:
        (tmp_path / other.files[0]).write_text("")
    before = there(tmp_path)
    with pytest.raises(ConfigError, match=f"is a {other.noun} of `{other.command}`; choose another `output`"):
        claim(tmp_path, files[own], change, own)
    assert there(tmp_path) == before


def test_files_of_a_preview_are_accepted(tmp_path):
    for name in ("work.sqlite", "build.lock"):
        (tmp_path / name).write_text("")
    make_folder(tmp_path)
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(ConfigError, match="not an IN2 dataset"):
        make_folder(tmp_path)


def test_the_servers_of_a_pool_may_change(folder):
    for urls in (["http://n1:8000/v1", "http://n2:8000/v1"], ["http://n3:8000/v1"], "http://n1:8000/v1"):
        claim(folder, config(folder, **endpoint(base_url=urls)))
        assert (folder / "questions.parquet").exists()
    claim(folder, config(folder, **endpoint(base_url=["http://n1:8000/v1", "http://n2:8000/v1"])))
    assert "http://n2:8000/v1" in (folder / "build.json").read_text()
