"""`--model in2-vllm`: lm_eval's `vllm`, with all questions about one context before those about the next.

Invariant and cost: see `by_context.py`. A separate module, because lm_eval's cannot be imported without vLLM.
"""

from in2_plugin.errors import MissingExtra
from in2_plugin.probing.backends.by_context import ContextsTogether

try:
    from lm_eval.models.vllm_causallms import VLLM
except ModuleNotFoundError:
    raise MissingExtra("--model in2-vllm", "vllm") from None


class VLLMByContext(ContextsTogether, VLLM):  # type: ignore[misc]  # lm_eval is not typed
    """`VLLM` whose `generate_until` goes context by context."""
