"""Options: what is ours is checked, what is lm_eval's passes by; the YAML files say the same defaults."""

from pathlib import Path

import pytest
import yaml

from in2_plugin.errors import ConfigError
from in2_plugin.packaged import packaged_folder
from in2_plugin.probing.kinds import KINDS
from in2_plugin.probing.options import NEW_TOKENS, ProbeOptions, parse_options

TASKS = packaged_folder("lm_eval_tasks") / "val_probe"


class Functions(yaml.SafeLoader):
    """Reads `!function x` as "x"."""


Functions.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


def task_file(name: str) -> dict:
    return yaml.load((TASKS / name).read_text(), Loader=Functions)


def test_model_arguments_pass_by():
    options = parse_options({"pretrained": "m", "max_length": 9, "version": 1.0, "probe_sets": "2"}, "here")
    assert options == ProbeOptions(probe_sets=2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"probe_lenght": 512}, "here: unknown key `probe_lenght`; did you mean `probe_length`?"),
        ({"probe_pices": 1}, "here: unknown key `probe_pices`; did you mean `probe_pieces`?"),
        ({"probe_length": 128}, "here: `probe_length`: Input should be greater than 128, got 128"),
        ({"probe_sets": 0}, "here: `probe_sets`: Input should be greater than or equal to 1"),
        ({"probe_spans": 1}, "here: `probe_spans`"),
        ({"probe_questions": 0}, "here: `probe_questions`"),
        ({"probe_template": "mistral"}, "here: `probe_template`: Input should be 'plain' or 'film'"),
    ],
)
def test_mistakes_are_named(given, said):
    with pytest.raises(ConfigError) as caught:
        parse_options(given, "here")
    assert str(caught.value).startswith(said)


def test_task_files_say_the_defaults():
    shared = task_file("_val_probe_yaml")
    metadata = {key: value for key, value in shared["metadata"].items() if key != "version"}
    assert metadata == {key: getattr(ProbeOptions(), key) for key in metadata} and len(metadata) == 4
    assert shared["generation_kwargs"]["max_gen_toks"] == NEW_TOKENS
    assert shared["generation_kwargs"]["until"] == []


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_task_files_declare_the_metrics_that_rows_get(kind):
    declared = [metric["metric"] for metric in task_file(f"val_probe_{kind.name}.yaml")["metric_list"]]
    assert declared == ["acc", "avg", "gap", *(f"span_{span:02d}" for span in range(kind.spans))]


def test_the_group_has_all_three_tasks():
    assert task_file("val_probe.yaml")["task"] == [f"val_probe_{kind}" for kind in KINDS]
    assert {path.stem for path in Path(TASKS).glob("*.yaml")} == {"val_probe", *task_file("val_probe.yaml")["task"]}
