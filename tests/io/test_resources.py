import pytest

from in2_plugin.io.resources import packaged_folder


@pytest.mark.parametrize("name", ["recipes", "lm_eval_tasks"])
def test_packaged_folders_exist(name: str) -> None:
    assert packaged_folder(name).is_dir()
