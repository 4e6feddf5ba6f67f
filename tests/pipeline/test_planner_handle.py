"""The planner of a worker equals that of the driver."""

import pickle

from in2_plugin.examples.fillers import FillerPool


def test_a_pickled_handle_opens_an_equal_planner_and_leaves_the_open_one_behind(again, tmp_path):
    handle = again.handle
    question = again.asked[0][0]
    before = handle.planner.objection(question), handle.planner.need([question])
    copy = pickle.loads(pickle.dumps(handle))
    assert "planner" not in vars(copy)
    assert (copy.planner.objection(question), copy.planner.need([question])) == before


def test_a_file_of_fillers_gives_the_same_answers(again, tmp_path):
    handle, question = again.handle, again.asked[0][0]
    store = handle.store
    FillerPool.of(store.usable, store.n_tokens, store.document, store.corpus_segments).write(
        tmp_path / "pool.arrow", "test"
    )
    pooled = handle.with_pool(tmp_path / "pool.arrow")
    assert pooled.planner.objection(question) == handle.planner.objection(question)
