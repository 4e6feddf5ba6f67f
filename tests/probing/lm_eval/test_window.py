"""The window by the rules of each backend, and the refusal of longer prompts."""

import json

import pytest
from transformers import MistralConfig

from in2_plugin.errors import ProbeError, PromptTooLong
from in2_plugin.probing.lm_eval.command_line import read_invocation
from in2_plugin.probing.lm_eval.window import PromptNeeds, Window, is_api, model_window, refuse_if_too_long

URL = {"base_url": "http://127.0.0.1:1/v1/completions", "model": "m"}


def config(folder, **values) -> dict[str, str]:
    (folder / "config.json").write_text(json.dumps(values))
    return {"pretrained": str(folder)}


def window_of(args: dict, argv: list[str] | None = None) -> Window | None:
    return model_window(args, read_invocation(argv or []))


def refuse(tokens: int, window: Window | None, argv: list[str] | None = None) -> None:
    refuse_if_too_long(tokens, window, read_invocation(argv or []))


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
        ({"pretrained": "m", "context_length": 4_096}, 4_096),
    ],
)
def test_window_from_arguments(args, tokens):
    assert window_of(args).tokens == tokens


CHAT = {"base_url": "http://127.0.0.1:1/v1/chat/completions", "model": "m"}


@pytest.mark.parametrize(
    ("args", "argv"),
    [
        ({**URL, "tokenized_requests": False}, []),
        ({**URL, "tokenizer_backend": "None"}, []),
        (CHAT, []),
        (URL, ["--model", "local-chat-completions"]),
        ({"model": "gpt-4o"}, ["--model", "openai-chat-completions"]),
    ],
)
def test_text_and_messages_have_no_window_here(args, argv):
    assert window_of(args, argv) is None
    refuse(10**9, None)


def test_the_backend_overrides_the_url():
    assert window_of(CHAT, ["--model", "local-completions"]).tokens == 2_047
    assert window_of({**CHAT, "max_length": 4_096}).tokens == 4_095


@pytest.mark.parametrize(
    ("values", "tokens"),
    [
        ({"model_type": "mistral", "max_position_embeddings": 1_024}, 1_024),
        ({"model_type": "gpt2", "n_positions": 77}, 77),
    ],
)
def test_window_from_the_configuration(tmp_path, values, tokens):
    window = window_of({**config(tmp_path, **values), "max_length": None})
    assert window.tokens == tokens and str(tmp_path) in window.source


def test_a_length_that_only_lm_eval_0_4_13_would_find_is_refused(tmp_path):
    inner = {"model_type": "mistral", "max_position_embeddings": 512}
    with pytest.raises(ProbeError, match="has none of n_positions"):
        window_of(config(tmp_path, model_type="mistral3", text_config=inner))


@pytest.mark.parametrize(("inner", "tokens"), [(512, 512), (2_048, 1_024)])
def test_the_smaller_of_two_lengths(tmp_path, monkeypatch, inner, tokens):
    """0.4.11 reads the outer configuration, 0.4.13 its text_config first."""
    outer = MistralConfig(max_position_embeddings=1_024)
    outer.text_config = MistralConfig(max_position_embeddings=inner)
    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", lambda *_, **__: outer)
    assert window_of({"pretrained": "both"}).tokens == tokens


YARN = {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 256, "rope_theta": 1e6}


@pytest.mark.parametrize(
    ("values", "tokens", "source"),
    [
        ({}, 1_024, "max_position_embeddings"),
        ({"model_max_length": 700}, 700, "model_max_length"),
        ({"seq_length": 4_096}, 1_024, "max_position_embeddings"),
        ({"rope_parameters": YARN}, 512, "YaRN scaling"),
        ({"rope_parameters": {**YARN, "factor": 8.0}}, 1_024, "max_position_embeddings"),
    ],
)
@pytest.mark.parametrize("backend", ["vllm", "in2-vllm", "sglang"])
def test_window_of_an_engine(tmp_path, backend, values, tokens, source):
    names = config(tmp_path, model_type="mistral", max_position_embeddings=1_024, **values)
    window = window_of(names, ["--model", backend])
    assert (window.tokens, window.argument) == (tokens, "max_model_len") and window.source.startswith(source)
    assert window_of(names, ["--model", "hf"]).tokens == 1_024
    with pytest.raises(PromptTooLong, match="max_model_len=2128 in --model_args"):
        refuse(2_000, window)


def test_an_engine_without_any_length_is_refused(tmp_path):
    with pytest.raises(ProbeError, match="has no limit for prompts; set `max_model_len=`"):
        window_of(config(tmp_path, model_type="mamba"), ["--model", "vllm"])


def test_unknown_windows_are_refused(tmp_path):
    with pytest.raises(ProbeError, match="the model is unknown"):
        window_of({})
    with pytest.raises(ProbeError, match=r"cannot be read .*; set `max_length=` in --model_args"):
        window_of({"pretrained": str(tmp_path)})
    with pytest.raises(ProbeError, match="has none of n_positions"):
        window_of(config(tmp_path, model_type="mamba"))


def test_local_models_are_not_apis():
    assert not is_api({"pretrained": "m"}) and not is_api({"pretrained": "m", "model": "x"}) and is_api(URL)


def test_the_limit_includes_prompt_and_answer():
    refuse(896, Window(1_024, "max_length=1024"))
    with pytest.raises(PromptTooLong, match="has 897 tokens and 128 are generated, but the window is 1,024") as caught:
        refuse(897, Window(1_024, "max_length=1024"))
    assert "probe_length to at most 1024" in str(caught.value) and "max_length=1025 in" in str(caught.value)


def test_longer_and_shorter_answers():
    window, more = Window(1_024, "max_length=1024"), ["--gen_kwargs", "max_gen_toks=512"]
    refuse(512, window, more)
    with pytest.raises(PromptTooLong, match=r"and 512 are generated.*probe_length to at most 640 .*length=1025 in"):
        refuse(513, window, more)
    refuse(1_000, window, ["--gen_kwargs", "max_gen_toks=24"])


def test_the_suggested_value_is_enough_for_an_api():
    with pytest.raises(PromptTooLong, match="max_length=2178 in --model_args"):
        refuse(2_049, window_of(URL))
    refuse(2_049, window_of({**URL, "max_length": 2_178}))


def test_a_task_states_how_its_prompts_get_shorter():
    needs = PromptNeeds(100, "set probe_lengths to at most {length} in --metadata")
    with pytest.raises(PromptTooLong, match=r"and 100 are generated, .* set probe_lengths to at most 1024 in"):
        refuse_if_too_long(1_000, Window(1_024, "max_length=1024"), read_invocation([]), needs)
    refuse_if_too_long(924, Window(1_024, "max_length=1024"), read_invocation([]), needs)
    assert needs.shortened_further == "lower probe_lengths in --metadata"
    own = PromptNeeds(100, "keep only lengths up to {length} in probe_lengths, or build the probe again")
    assert own.shortened(1_024) == "keep only lengths up to 1024 in probe_lengths, or build the probe again"
    assert own.shortened_further == "keep only shorter lengths in probe_lengths, or build the probe again"
    assert PromptNeeds(100, "use another model").shortened_further == "use another model"
