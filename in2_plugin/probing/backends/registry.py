"""The model backends that `in2 lm-eval` adds to lm_eval's own.

Registered as places to import from, so that neither torch nor vLLM is loaded before such a model is chosen.
Invariant: registering twice is registering once. Cost: lm_eval's registry, which its command line imports anyway.
"""

BACKENDS = {
    "in2-hf": "in2_plugin.probing.backends.hf:SharedContextLM",
    "in2-vllm": "in2_plugin.probing.backends.vllm:VLLMByContext",
    "in2-local-completions": "in2_plugin.probing.backends.by_context:CompletionsByContext",
    "in2-local-chat-completions": "in2_plugin.probing.backends.by_context:ChatCompletionsByContext",
}
"""Name for `--model` to module and class; the same lines are entry points of the group `lm_eval.models`."""


def register() -> None:
    """Make the backends known to lm_eval (0.4.11 to 0.4.13)."""
    import lm_eval.models  # noqa: F401  # lm_eval adds its own only to a registry that is empty, or here
    from lm_eval.api.registry import model_registry

    for name, place in BACKENDS.items():
        if name not in model_registry:
            model_registry.register(name, target=place)
