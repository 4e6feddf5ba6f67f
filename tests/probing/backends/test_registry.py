"""Our model backends in lm_eval's registry: by name, once, and light until one is chosen."""

import subprocess
import sys

import pytest
from lm_eval.api.registry import get_model
from lm_eval.models.huggingface import HFLM
from lm_eval.models.openai_completions import LocalChatCompletion, LocalCompletionsAPI

from in2_plugin.errors import MissingExtra
from in2_plugin.probing.backends.registry import BACKENDS, register
from tests.support.e2e_run import ROOT


def test_names_lead_to_classes_of_lm_eval():
    register()
    register()
    assert issubclass(get_model("in2-hf"), HFLM)
    assert issubclass(get_model("in2-local-completions"), LocalCompletionsAPI)
    assert issubclass(get_model("in2-local-chat-completions"), LocalChatCompletion)
    register()  # after the places have become classes


def test_vllm_is_asked_for_in_one_sentence(monkeypatch):
    """vLLM is not installed where tests run; where it is, the module of lm_eval is hidden."""
    monkeypatch.setitem(sys.modules, "lm_eval.models.vllm_causallms", None)
    monkeypatch.delitem(sys.modules, "in2_plugin.probing.backends.vllm", raising=False)
    register()
    with pytest.raises(MissingExtra, match=r'--model in2-vllm needs .* pip install "in2-plugin\[vllm\]"'):
        get_model("in2-vllm")


def test_registering_loads_no_backend_and_hides_none():
    """In a fresh process, where lm_eval has not registered its own yet."""
    code = (
        "import sys; from in2_plugin.probing.backends.registry import register; register(); "
        "print([name for name in ('torch', 'transformers', 'vllm', 'aiohttp') if name in sys.modules]); "
        "from lm_eval.api.registry import model_registry; print('hf' in model_registry, 'in2-hf' in model_registry)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert said.stdout.split("\n") == ["[]", "True True", ""]


def test_places_are_those_of_this_package():
    assert all(place.startswith("in2_plugin.probing.") and ":" in place for place in BACKENDS.values())
    assert set(BACKENDS) == {"in2-hf", "in2-vllm", "in2-local-completions", "in2-local-chat-completions"}
