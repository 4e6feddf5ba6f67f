"""A writer that runs in shards gives the results that it gives alone, for any shard size."""

from itertools import islice

import pytest

from in2_plugin.execution.local import LocalEngine
from in2_plugin.pipeline.passages import part_passages
from in2_plugin.pipeline.run import NoProgress, Run
from in2_plugin.pipeline.stages.sharded_writer import ShardedWriter
from in2_plugin.questions import Kind, Part, Question
from in2_plugin.questions.extractive.writer import ExtractiveWriter


@pytest.mark.parametrize("size", [4, 64])
def test_the_results_of_a_writer_do_not_depend_on_the_shard_size(again, monkeypatch, size):
    for name in ("SHARD_PASSAGES", "LEAST_PASSAGES"):
        monkeypatch.setattr(f"in2_plugin.pipeline.stages.sharded_writer.{name}", size)
    config, handle = again.config, again.handle
    part, kind, wanted = Part.FINE_GRAINED, Kind.FINE_GRAINED, 10
    passages = part_passages(handle.store, part, kind, config.lengths, config.seed, with_texts=False)
    writer = ShardedWriter(
        Run(config, NoProgress(), LocalEngine(1)), ExtractiveWriter(config.seed), handle, f"test-{size}", ()
    )
    results: list = []
    for result in writer.write(passages, lambda: wanted - sum(isinstance(one, Question) for one in results)):
        results.append(result)
        if sum(isinstance(one, Question) for one in results) == wanted:
            break
    same = part_passages(handle.store, part, kind, config.lengths, config.seed)
    alone = list(ExtractiveWriter(config.seed).write(islice(same, len(results)), lambda: wanted))
    assert len(alone) == len(results)
    kept = [(result, expected) for result, expected in zip(results, alone, strict=True) if isinstance(result, Question)]
    assert len(kept) == wanted
    assert all(result == expected for result, expected in kept)
