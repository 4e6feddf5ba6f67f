"""What is checked before a demo costs anything."""

import pytest
import yaml

from in2_plugin.demo.inputs import probe_documents, read_probe_settings
from in2_plugin.errors import ConfigError, CorpusError


@pytest.fixture
def texts(tmp_path):
    """Return a function that makes a folder of so many documents."""

    def of(number):
        folder = tmp_path / f"texts-{number}"
        folder.mkdir()
        for at in range(number):
            (folder / f"{at}.txt").write_text(f"Text {at}.")
        return str(folder)

    return of


@pytest.mark.parametrize(
    ("file", "part", "said"),
    [
        (
            "probe.yml",
            "probe",
            "probe.yml, changed by demo.yml: unknown key `fine_graind`; did you mean",
        ),
        ("build.yml", "rounds", "build.yml, changed by demo.yml: unknown key `mixture.fine_graind`; did you mean"),
    ],
)
def test_a_wrong_key_is_found_before_any_stage(request_of, recipe, file, part, said):
    settings = yaml.safe_load((recipe / "demo.yml").read_text())
    if part == "probe":
        settings["short"]["probe"] = {"fine_graind": 3}
    else:
        settings["short"]["rounds"][0]["build"] = {"mixture": {"fine_graind": 3}}
    (recipe / "demo.yml").write_text(yaml.safe_dump(settings))
    with pytest.raises(ConfigError) as raised:
        read_probe_settings(request_of())
    assert said in str(raised.value)


@pytest.mark.parametrize(("number", "kept"), [(2, 1), (7, 3), (9, 4), (10, None), (12, None)])
def test_a_small_corpus_is_halved(request_of, texts, number, kept):
    """The probe of this recipe takes five documents."""
    request = request_of(corpus=texts(number))
    assert probe_documents(request, read_probe_settings(request)) == kept


def test_the_bundled_corpus_is_not_counted(request_of):
    assert probe_documents(request_of(), read_probe_settings(request_of())) is None


def test_one_document_is_too_few(request_of, texts):
    request = request_of(corpus=texts(1))
    with pytest.raises(ConfigError, match=r"texts-1: has only one document.* put each document into its own file"):
        probe_documents(request, read_probe_settings(request))


def test_an_empty_folder_is_an_error(request_of, texts):
    request = request_of(corpus=texts(0))
    with pytest.raises(CorpusError, match="none of the 0 files"):
        probe_documents(request, read_probe_settings(request))
