"""The window by the rules of each backend, and the refusal."""

import json

import pytest

from in2_plugin.errors import ProbeError, PromptTooLong
from in2_plugin.probing.window import Window, is_api, model_window, refuse_if_too_long

URL = {"base_url": "http://127.0.0.1:1/v1/completions", "model": "m"}


def config(folder, **values) -> dict[str, str]:
    (folder / "config.json").write_text(json.dumps(values))
    return {"pretrained": str(folder)}


@pytest.mark.parametrize(
    ("args", "tokens"),
    [
        ({"pretrained": "m", "max_length": 4_096}, 4_096),
        ({"pretrained": "m", "max_model_len": "8192"}, 8_192),
        (URL, 2_047),
        ({**URL, "max_length": 4_096}, 4_095),
        ({**URL, "pretrained": "m"}, 2_047),
        ({"model": "davinci"}, 2_047),
        ({**URL, "tokenizer_backend": "tiktoken"}, 2_047),
        ({**URL, "tokenized_requests": False, "max_length": 4_096}, 4_095),
    ],
)
def test_window_from_arguments(args, tokens):
    assert model_window(args).tokens == tokens


@pytest.mark.parametrize("args", [{"tokenized_requests": False}, {"tokenizer_backend": "None"}])
def test_text_requests_have_no_window_here(args):
    assert model_window({**URL, **args}) is None
    refuse_if_too_long(10**9, None)


@pytest.mark.parametrize(
    ("values", "tokens"),
    [
        ({"model_type": "mistral", "max_position_embeddings": 1_024}, 1_024),
        ({"model_type": "gpt2", "n_positions": 77}, 77),
    ],
)
def test_window_from_the_configuration(tmp_path, values, tokens):
    window = model_window({**config(tmp_path, **values), "max_length": None})
    assert window.tokens == tokens and str(tmp_path) in window.source


def test_unknown_windows_are_refused(tmp_path):
    with pytest.raises(ProbeError, match="no model is named"):
        model_window({})
    with pytest.raises(ProbeError, match=r"cannot be read .*; give `max_length=` in --model_args"):
        model_window({"pretrained": str(tmp_path)})
    with pytest.raises(ProbeError, match="has none of n_positions"):
        model_window(config(tmp_path, model_type="mamba"))


def test_local_models_are_no_api():
    assert not is_api({"pretrained": "m"}) and not is_api({"pretrained": "m", "model": "x"}) and is_api(URL)


def test_the_limit_is_prompt_and_answer_together():
    refuse_if_too_long(896, Window(1_024, "max_length=1024"))
    with pytest.raises(PromptTooLong, match="has 897 tokens and 128 are generated, but the window is 1,024") as caught:
        refuse_if_too_long(897, Window(1_024, "max_length=1024"))
    assert "probe_length to at most 1024" in str(caught.value) and "max_length=1025 in" in str(caught.value)


def test_the_value_named_for_an_api_is_enough():
    with pytest.raises(PromptTooLong, match="max_length=2178 in --model_args"):
        refuse_if_too_long(2_049, model_window(URL))
    refuse_if_too_long(2_049, model_window({**URL, "max_length": 2_178}))
