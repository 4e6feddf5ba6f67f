"""Check that a chat template renders prompts at inference as it renders them in training.

A prompt ends with the text that the template writes under `add_generation_prompt`. If the trained conversation does not
start with that prompt, the model gets prompts at inference that it was never trained on. Invariant: only rendered text
is compared; no dataset is read.
"""

from collections.abc import Iterator
from typing import Any

from in2_plugin.errors import one_line
from in2_plugin.preflight.findings import Case, ConfigFinding
from in2_plugin.training.axolotl.plugins import TYPES

QUESTION = {"role": "user", "content": "@@in2-question@@"}
ANSWER = {"role": "assistant", "content": "@@in2-answer@@"}
REMEDY = (
    "set a template whose conversation continues its prompt (`chat_template_jinja:`), or prompt the trained model in "
    "the format that it was trained on (`chat_template_kwargs:`)"
)


def check_templates(case: Case) -> Iterator[ConfigFinding]:
    """Check the template of each dataset that uses one."""
    for entry in case.cfg.datasets or []:
        uses_template = entry.type in TYPES or str(entry.type).startswith("chat_template")
        if uses_template and case.tokenizer is not None:
            what = template_error(case.cfg, entry, case.tokenizer)
            if what:
                yield ConfigFinding("warning", f"{entry.path}: chat template", what, REMEDY)


def template_error(cfg: Any, entry: Any, tokenizer: Any) -> str | None:
    """Return the problem with the template that Axolotl uses for a dataset, or None if there is none."""
    template = _template(cfg, entry, tokenizer)
    if template is None:
        return None
    settings = {**(cfg.chat_template_kwargs or {}), "chat_template": template, "tokenize": False}
    try:
        prompt = tokenizer.apply_chat_template([QUESTION], add_generation_prompt=True, **settings)
        whole = tokenizer.apply_chat_template([QUESTION, ANSWER], **settings)
    except Exception as error:  # Jinja errors, and any error that the template itself raises
        return f"cannot render a question and an answer: {one_line(error)}"
    if whole.startswith(prompt):
        return None
    same = next(i for i in range(len(prompt)) if not whole.startswith(prompt[: i + 1]))
    prompted, trained = _shorten(prompt[same:]), _shorten(whole[same:])
    return f"a prompt ends with {prompted} where the trained conversation continues with {trained}"


def _template(cfg: Any, entry: Any, tokenizer: Any) -> str | None:
    from axolotl.utils.chat_templates import get_chat_template_from_config

    if entry.type in TYPES:
        return tokenizer.chat_template if isinstance(tokenizer.chat_template, str) else None
    return str(get_chat_template_from_config(cfg=cfg, ds_cfg=entry, tokenizer=tokenizer))


def _shorten(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")
