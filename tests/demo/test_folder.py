import pytest

from in2_plugin.demo.folder import DemoFolder, StageRecord
from in2_plugin.errors import ConfigError

IDENTITY = {"full": False, "corpus": None, "model": None, "settings": "0123"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "demo").mkdir()
    return DemoFolder(tmp_path / "demo")


def test_a_folder_is_claimed_once(folder):
    folder.claim(IDENTITY)
    folder.claim(IDENTITY)
    assert folder.log("train") == folder.path / "logs/train.log" and folder.log("train").parent.is_dir()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"corpus": "/texts"}, "`corpus: default`, now it is `/texts`"),
        ({"full": True}, "`full: no`, now it is `yes`"),
        ({"settings": "4567"}, "other settings in its recipe"),
    ],
)
def test_a_folder_of_another_setting_is_refused(folder, changes, said):
    folder.claim(IDENTITY)
    with pytest.raises(ConfigError, match="give another folder, or delete this one") as refused:
        folder.claim({**IDENTITY, **changes})
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_another_kind_of_folder_is_refused_and_stays_as_it_is(folder):
    (folder.path / "thesis.tex").touch()
    with pytest.raises(ConfigError, match=r"not a demo's folder \(it has thesis\.tex\)"):
        folder.claim(IDENTITY)
    assert [path.name for path in folder.path.iterdir()] == ["thesis.tex"]


def test_records_and_digests(folder):
    folder.claim(IDENTITY)
    assert folder.record_of("train") is None
    folder.record("train", StageRecord("abc", 1.26, "done"))
    assert folder.record_of("train") == StageRecord("abc", 1.3, "done")
    folder.write_settings("a.yml", {"b": 1}, "recipe/a.yml")
    first = folder.digest("", [("in2", "build", "a.yml")], ["a.yml"])
    assert folder.digest("", [("in2", "build", "a.yml")], ["a.yml"]) == first
    folder.write_settings("a.yml", {"b": 2}, "recipe/a.yml")
    assert folder.digest("", [("in2", "build", "a.yml")], ["a.yml"]) != first
