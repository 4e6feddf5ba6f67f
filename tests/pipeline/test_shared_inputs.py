"""Files that workers share are written once for the same inputs."""

import pyarrow as pa

from in2_plugin import layout
from in2_plugin.execution.local import LocalEngine
from in2_plugin.pipeline.array_job import ArrayJob
from in2_plugin.pipeline.run import NoProgress, Run
from in2_plugin.pipeline.shared_inputs import remove_inputs, stage_input
from tests.support.builds import small_config


def write(part, made_of: str) -> None:
    schema = pa.schema([("n", pa.int64())], metadata={"made_of": made_of})
    with pa.OSFile(str(part), "wb") as file, pa.ipc.new_file(file, schema) as stream:
        stream.write_batch(pa.RecordBatch.from_pylist([{"n": 1}], schema=schema))


def test_a_file_is_written_again_only_for_other_inputs(tmp_path):
    run = Run(small_config(tmp_path, tmp_path), NoProgress(), LocalEngine(1), ArrayJob(2, 3))
    path = stage_input(run, "some.arrow", "one", write)
    assert path == tmp_path / layout.PARTS / "some.arrow"
    first = path.stat().st_ino
    assert stage_input(run, "some.arrow", "one", write).stat().st_ino == first
    assert stage_input(run, "some.arrow", "two", write).stat().st_ino != first
    path.with_name("some.arrow.1-of-3.part").touch()
    remove_inputs(run, "some.arrow")
    assert not list(path.parent.iterdir())
