from in2_plugin.demo.training_log import LogFollower, curve

TRAINING = (
    "loading\n  0%|          | 0/20 [00:00<?, ?it/s]\r  5%|5  | 1/20 [00:03<01:03,  3.34s/it]\r"
    "{'loss': '6.926', 'grad_norm': '1.9', 'learning_rate': '0.002', 'in2/loss_depth_00_20': '6.9'}\n"
    " 50%|5  | 10/20 [00:33<00:33,  3.34s/it]\n{'loss': 1.5e-01, 'epoch': 0.1}\n"
)


def test_progress_and_losses_of_a_growing_log(tmp_path):
    log = tmp_path / "train.log"
    log.write_text(TRAINING[:60])
    follower = LogFollower(log)
    follower.read()
    assert (follower.done, follower.total, follower.losses) == (0, 0, [])
    log.write_text(TRAINING)
    follower.read()
    assert (follower.done, follower.total, follower.left) == (10, 20, "00:33")
    assert follower.losses == [6.926, 0.15] and follower.share == 0.5
    with log.open("a") as file:
        file.write("{'train_loss': '3.5', 'train_runtime': '66'}\n{'loss': '0.1")
    follower.read()
    assert follower.losses == [6.926, 0.15]


def test_an_older_part_of_the_log_is_not_read(tmp_path):
    log = tmp_path / "train.log"
    log.write_text(TRAINING)
    follower = LogFollower(log, start=log.stat().st_size)
    follower.read()
    assert follower.losses == []


def test_a_curve_has_at_most_20_blocks_and_its_maximum_is_a_full_block():
    assert curve([4.0, 2.0, 0.0]) == "█▅▁"
    assert curve([0.0, 0.0]) == "▁▁" and curve([]) == ""
    assert len(curve([float(value) for value in range(1, 100)])) <= 20
