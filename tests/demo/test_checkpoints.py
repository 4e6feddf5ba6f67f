from in2_plugin.demo.checkpoints import newest_checkpoint


def make(folder, step, state):
    (folder / f"checkpoint-{step}").mkdir(parents=True)
    (folder / f"checkpoint-{step}/model.safetensors").write_text("weights")
    if state is not None:
        (folder / f"checkpoint-{step}/trainer_state.json").write_text(state)


def test_the_newest_complete_checkpoint_is_found_and_unfinished_ones_are_removed(tmp_path):
    make(tmp_path, 9, "{}")
    make(tmp_path, 10, '{"global_step": 10}')
    make(tmp_path, 15, '{"global_st')
    make(tmp_path, 20, None)
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-9"]


def test_without_a_checkpoint(tmp_path):
    assert newest_checkpoint(tmp_path / "out") is None
