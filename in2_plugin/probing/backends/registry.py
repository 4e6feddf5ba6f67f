"""Register the model backends that `in2 lm-eval` adds to lm_eval's own.

They are registered by import path, so that neither torch nor vLLM is imported before such a model is chosen.
Registering twice has no further effect. Cost: importing lm_eval's registry, which its command line imports anyway.
"""

BACKENDS = {
    "in2-hf": "in2_plugin.probing.backends.hf:SharedContextLM",
    "in2-vllm": "in2_plugin.probing.backends.vllm:VLLMByContext",
    "in2-local-completions": "in2_plugin.probing.backends.by_context:CompletionsByContext",
    "in2-local-chat-completions": "in2_plugin.probing.backends.by_context:ChatCompletionsByContext",
}
"""Module and class by name for `--model`; pyproject.toml has the same entry points in the group `lm_eval.models`."""


def register_backends() -> None:
    """Add the backends to lm_eval's registry (0.4.11 to 0.4.13)."""
    import lm_eval.models  # noqa: F401  # lm_eval adds its own models on this import, and otherwise only to an empty registry
    from lm_eval.api.registry import model_registry

    for name, place in BACKENDS.items():
        if name not in model_registry:
            model_registry.register(name, target=place)
