import pytest

from in2_plugin.dataset.build_record import make_folder
from in2_plugin.errors import ConfigError
from in2_plugin.pipeline.build import build_dataset
from in2_plugin.pipeline.estimate import estimate_build
from in2_plugin.pipeline.preview import preview
from in2_plugin.questions import Kind, Part, Question
from tests.support.builds import Quiet, endpoint_config, small_config
from tests.support.fault_server import FaultServer


def test_each_kind_is_shown_with_its_gold(mistral_folder, tmp_path):
    with FaultServer() as server:
        shown = list(preview(endpoint_config(tmp_path / "in2", mistral_folder, server.base_url), 4))
    assert [one.result.kind for one in shown] == [Kind.FINE_GRAINED] * 3 + [Kind.INTEGRATION]
    for one in shown:
        assert isinstance(one.result, Question)
        gold = [segment for segment in one.segments if segment.is_gold]
        assert tuple(segment.number for segment in gold) == one.result.gold
        assert one.document
        # the server's answer is the end of the last gold segment
        assert one.result.answer.split() == gold[-1].text.split()[-8:]


@pytest.mark.slow
def test_what_was_paid_is_kept_for_the_build(mistral_folder, tmp_path):
    with FaultServer() as server:
        config = endpoint_config(tmp_path / "in2", mistral_folder, server.base_url)
        list(preview(config, 5))
        list(preview(config, 5))
        build_dataset(config, Quiet())
        assert set(server.paid.values()) == {1}


def test_what_is_turned_down_is_shown_and_there_is_an_end_to_it(mistral_folder, tmp_path):
    with FaultServer(lambda body: "I would rather talk about the weather.") as server:
        shown = list(preview(endpoint_config(tmp_path / "in2", mistral_folder, server.base_url), 2))
    # four passages per question
    assert len(shown) == 8
    assert {one.result.reason.split(":")[0] for one in shown} == {"unreadable answer"}


def test_the_extractive_writer_leaves_nothing_behind(mistral_folder, tmp_path):
    shown = list(preview(small_config(tmp_path / "in2", mistral_folder), 3))
    assert sum(isinstance(one.result, Question) for one in shown) == 3
    assert not (tmp_path / "in2").exists()


def test_records_are_shown_beside_text_and_alone(mistral_folder, tmp_path):
    mixture = {"fine_grained": 10, "integration": 0, "records": 10}
    shown = list(preview(small_config(tmp_path / "in2", mistral_folder, mixture=mixture), 4))
    parts = [(one.result.part, one.result.kind) for one in shown if isinstance(one.result, Question)]
    assert set(parts) == {
        (Part.FINE_GRAINED, Kind.FINE_GRAINED), (Part.RECORDS, Kind.FINE_GRAINED), (Part.RECORDS, Kind.INTEGRATION)
    }  # fmt: skip
    assert all(one.document.startswith("register ") for one in shown if one.result.part is Part.RECORDS)
    alone = {"mixture": {**mixture, "fine_grained": 0}, "corpus": {"sources": ["nowhere.jsonl"]}}
    assert len(list(preview(small_config(tmp_path / "in2", mistral_folder, **alone), 2))) == 2


def test_a_folder_of_something_else_is_not_touched(mistral_folder, tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(ConfigError, match="not an IN2 dataset"):
        list(preview(small_config(tmp_path, mistral_folder), 3))
    make_folder(tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "thesis.tex"]


def test_lines_about_servers_are_not_part_of_the_result(mistral_folder, tmp_path, capsys):
    dead = "http://127.0.0.1:9/v1"
    with FaultServer() as server:
        config = endpoint_config(tmp_path / "in2", mistral_folder, [dead, server.base_url])
        list(preview(config, 4))
        previewed = capsys.readouterr()
        estimate_build(config, calls=8)
    estimated = capsys.readouterr()
    assert previewed.out == estimated.out == ""
    assert all(f"{dead} cannot be reached" in shown.err for shown in (previewed, estimated))
