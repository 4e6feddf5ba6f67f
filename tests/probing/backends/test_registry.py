"""Our model backends in lm_eval's registry: by name, idempotent, and without imports until one is chosen."""

import subprocess
import sys

from lm_eval.api.registry import get_model
from lm_eval.models.huggingface import HFLM
from lm_eval.models.openai_completions import LocalChatCompletion, LocalCompletionsAPI

from in2_plugin.probing.backends.registry import BACKENDS, register_backends
from tests.support.e2e_run import ROOT


def test_names_lead_to_classes_of_lm_eval():
    register_backends()
    register_backends()
    assert issubclass(get_model("in2-hf"), HFLM)
    assert issubclass(get_model("in2-local-completions"), LocalCompletionsAPI)
    assert issubclass(get_model("in2-local-chat-completions"), LocalChatCompletion)
    register_backends()  # after the import paths have become classes


def test_registering_imports_no_backend_and_hides_none():
    """Run a fresh process, in which lm_eval has not registered its own models yet."""
    code = (
        "import sys; from in2_plugin.probing.backends.registry import register_backends; register_backends(); "
        "print([name for name in ('torch', 'transformers', 'vllm', 'aiohttp') if name in sys.modules]); "
        "from lm_eval.api.registry import model_registry; print('hf' in model_registry, 'in2-hf' in model_registry)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert said.stdout.split("\n") == ["[]", "True True", ""]


def test_import_paths_are_in_this_package():
    assert all(place.startswith("in2_plugin.probing.") and ":" in place for place in BACKENDS.values())
    assert set(BACKENDS) == {"in2-hf", "in2-vllm", "in2-local-completions", "in2-local-chat-completions"}
