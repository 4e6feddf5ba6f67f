"""Whether a chat template asks the model, after training, with what it was trained on.

Invariant: only text is compared; no dataset is read. A prompt ends with what the template writes under
`add_generation_prompt`; if the trained conversation does not begin with it, the model is asked in a way in which it was
never trained.
"""

from collections.abc import Iterator
from typing import Any

from in2_plugin.preflight.findings import Case, ConfigFinding
from in2_plugin.training.axolotl.args import TYPES

QUESTION = {"role": "user", "content": "@@in2-question@@"}
ANSWER = {"role": "assistant", "content": "@@in2-answer@@"}
REMEDY = (
    "give a template whose conversation goes on where its prompt ends (`chat_template_jinja:`), or ask the trained "
    "model in the form that it was trained on (`chat_template_kwargs:`)"
)


def check_templates(case: Case) -> Iterator[ConfigFinding]:
    """The template of each dataset that is rendered with one."""
    for entry in case.cfg.datasets or []:
        uses_one = entry.type in TYPES or str(entry.type).startswith("chat_template")
        if uses_one and case.tokenizer is not None:
            what = template_fault(case.cfg, entry, case.tokenizer)
            if what:
                yield ConfigFinding("warning", f"{entry.path}: chat template", what, REMEDY)


def template_fault(cfg: Any, entry: Any, tokenizer: Any) -> str | None:
    """What is wrong with the template that Axolotl takes for a dataset; None when nothing is."""
    template = _template(cfg, entry, tokenizer)
    if template is None:
        return None
    settings = {**(cfg.chat_template_kwargs or {}), "chat_template": template, "tokenize": False}
    try:
        prompt = tokenizer.apply_chat_template([QUESTION], add_generation_prompt=True, **settings)
        whole = tokenizer.apply_chat_template([QUESTION, ANSWER], **settings)
    except Exception as error:  # Jinja, and whatever a template raises by itself
        return f"cannot render a question and an answer: {one_line(error)}"
    if whole.startswith(prompt):
        return None
    same = next(i for i in range(len(prompt)) if not whole.startswith(prompt[: i + 1]))
    asked, trained = _shown(prompt[same:]), _shown(whole[same:])
    return f"a prompt ends with {asked} where the trained conversation goes on with {trained}"


def _template(cfg: Any, entry: Any, tokenizer: Any) -> str | None:
    from axolotl.utils.chat_templates import get_chat_template_from_config

    if entry.type in TYPES:
        return tokenizer.chat_template if isinstance(tokenizer.chat_template, str) else None
    return str(get_chat_template_from_config(cfg=cfg, ds_cfg=entry, tokenizer=tokenizer))


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")
