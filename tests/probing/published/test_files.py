"""Read the authors' data from every supported location, and report damaged data."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from in2_plugin.errors import ProbeError
from in2_plugin.probing.probes.registry import PROBES
from in2_plugin.probing.published.files import read_published
from tests.support import paper_data
from tests.support.hub_server import READER, HubServer, Repository


@pytest.fixture
def document() -> list[dict]:
    return paper_data.rows("document", 2, 6)


def places(name: str, data: Path) -> list[tuple[int, int]]:
    return [(row.set, row.position) for row in read_published(PROBES[name], str(data))]


@pytest.mark.parametrize("name", PROBES)
def test_all_layouts_give_the_same_rows(name, tmp_path):
    found = paper_data.rows(name, 2, 6)
    paper_data.as_on_the_hub(tmp_path / "hub", name, found)
    file = paper_data.as_downloaded(tmp_path / "VaLProbing-32K", name, found)
    paper_data.save_lines(tmp_path / f"split/{paper_data.split(name)}/0000.jsonl", found)
    read = [
        [(row.set, row.position, row.prompt, row.gold) for row in read_published(PROBES[name], str(data))]
        for data in (tmp_path / "hub", tmp_path / "VaLProbing-32K", file, tmp_path / "split")
    ]
    assert read[0] == read[1] == read[2] == read[3]
    golds = [paper_data.item(name, index, position).gold for index in range(2) for position in range(6)]
    assert [gold for *_, gold in read[0]] == golds
    assert [prompt for _, _, prompt, _ in read[0]] == [row["prompt"] for row in found]


def test_outputs_and_skip_lists_are_ignored(tmp_path, document):
    paper_data.as_downloaded(tmp_path, "document", document)
    (tmp_path / "document_bi_32k_skip_list.json").write_text("[]")
    paper_data.save_lines(tmp_path / "results/FILM-7B/sample_document_bi_32k.jsonl", [{"samples": ["x"]}])
    assert len(places("document", tmp_path)) == 12


def test_numbers_may_be_text(tmp_path, document):
    rows = [{**row, "set_id": str(row["set_id"]), "position_id": str(row["position_id"])} for row in document]
    file = paper_data.save_lines(tmp_path / "rows.jsonl", rows)
    assert places("document", file)[-1] == (1, 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": None}, "row 2: `prompt` must be text, not NoneType"),
        ({"prompt": " "}, "row 2: `prompt` is missing or blank"),
        ({"completion": " "}, "row 2: `completion` is missing or blank; is this the file of another probe"),
        ({"completion": "..."}, "row 2: `completion` is missing or blank"),
        ({"set_id": "one"}, "row 2: `set_id` must be a number of 0 or more, not 'one'"),
        ({"set_id": True}, "row 2: `set_id` must be a number of 0 or more, not True"),
        ({"position_id": -1}, "row 2: `position_id` must be a number of 0 or more, not -1"),
        ({"position_id": None}, "row 2: `position_id` must be a number of 0 or more, not None"),
    ],
)
def test_a_wrong_field_is_reported_with_file_and_row(tmp_path, document, change, message):
    document[1] |= change
    file = paper_data.save_lines(tmp_path / "rows.jsonl", document)
    with pytest.raises(ProbeError, match=r"rows\.jsonl, ") as failure:
        places("document", file)
    assert message in str(failure.value)


def test_the_file_of_another_probe(tmp_path, document):
    file = paper_data.as_downloaded(tmp_path, "document", document)
    with pytest.raises(ProbeError, match="row 1: `label` is missing or blank; is this the file of another probe"):
        places("database", file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"prompt": "x\n', "row 1: is not JSON"),
        (b"[1]\n", "row 1: is not a JSON object"),
        (b"\xff\n", "row 1: is not JSON"),
    ],
)
def test_invalid_rows_are_reported(tmp_path, content, message):
    file = tmp_path / "rows.jsonl"
    file.write_bytes(content)
    with pytest.raises(ProbeError, match=message):
        places("document", file)


def test_a_damaged_parquet_file(tmp_path, document):
    paper_data.as_on_the_hub(tmp_path, "document", document, shards=1)
    (file,) = tmp_path.rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(ProbeError, match=r"00000-of-00001\.parquet: cannot be read"):
        places("document", tmp_path)


def test_no_such_data(tmp_path, document):
    with pytest.raises(ProbeError, match="there is no such file or folder"):
        places("document", tmp_path / "nowhere")
    with pytest.raises(ProbeError, match=r"has no document_bi_32k.jsonl and no Parquet files of that name"):
        places("document", tmp_path)
    paper_data.as_downloaded(tmp_path / "a", "document", document)
    paper_data.as_downloaded(tmp_path / "b", "document", document)
    with pytest.raises(ProbeError, match="has document_bi_32k more than once"):
        places("document", tmp_path)


READ = """
import sys
from in2_plugin.errors import ProbeError
from in2_plugin.probing.probes.registry import PROBES
from in2_plugin.probing.published.files import read_published
try:
    print(sum(1 for row in read_published(PROBES["document"], "In2Training/VaLProbing-32K")))
except ProbeError as error:
    print("error:", error)
"""


def read_from(hub: str, home: Path, offline: str = "0") -> str:
    known = {"HF_ENDPOINT": hub, "HF_HOME": str(home), "HF_HUB_OFFLINE": offline, "HF_TOKEN": READER}
    environment = {**os.environ, **known, "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "*"}
    done = subprocess.run(
        [sys.executable, "-c", READ], env=environment, text=True, capture_output=True, check=True, timeout=300
    )
    return done.stdout.strip()


@pytest.mark.slow
def test_a_dataset_on_the_hub(tmp_path, document):
    """Downloaded once, only the files of the probe; then it is there without a network."""
    paper_data.as_on_the_hub(tmp_path, "document", document)
    files = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    home = tmp_path / "home"
    with HubServer() as hub:
        repository = Repository()
        repository.branches["main"] |= files | {"data/code_backward_32k-00000-of-00001.parquet": b"never asked for"}
        hub.repositories["In2Training/VaLProbing-32K"] = repository
        assert read_from(hub.url, home) == "12"
        address = hub.url
    assert read_from(address, home, offline="1") == "12"
    assert {path.name for path in home.rglob("*.parquet")} == {path.name for path in tmp_path.glob("data/*.parquet")}
    message = read_from(address, tmp_path / "empty", offline="1")
    assert message.startswith(
        "error: In2Training/VaLProbing-32K: there is no such folder, and the hub does not provide it"
    )
    assert "\n" not in message


def test_gzipped_files_are_not_read(tmp_path, document):
    (tmp_path / "document_bi_32k.jsonl.gz").write_bytes(gzip.compress(json.dumps(document[0]).encode()))
    with pytest.raises(ProbeError, match=r"has no document_bi_32k.jsonl"):
        places("document", tmp_path)
