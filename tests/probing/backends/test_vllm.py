"""The vLLM backend without vLLM; with it, it runs on machines with a GPU."""

import sys

import pytest
from lm_eval.api.registry import get_model

from in2_plugin.errors import MissingExtra
from in2_plugin.probing.backends.registry import register_backends


def test_missing_vllm_is_reported_in_one_sentence(monkeypatch):
    """Tests usually run without vLLM; otherwise lm_eval's module is hidden."""
    monkeypatch.setitem(sys.modules, "lm_eval.models.vllm_causallms", None)
    monkeypatch.delitem(sys.modules, "in2_plugin.probing.backends.vllm", raising=False)
    register_backends()
    with pytest.raises(MissingExtra, match=r'--model in2-vllm needs .* pip install "in2-plugin\[vllm\]"'):
        get_model("in2-vllm")
