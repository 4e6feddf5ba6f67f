"""The text of a prompt: FILM's instruction template without tags, or with its literal [INST] tags.

The context stands before the question in both, so that all questions of a context share their first tokens.
"""

from dataclasses import dataclass

from in2_plugin.prompt_text import BEFORE_CONTEXT, BEFORE_INSTRUCTION, BEFORE_QUESTION


@dataclass(frozen=True, slots=True)
class Template:
    """What stands before the context, between context and question, and after the question."""

    before: str
    between: str
    after: str
    alone: str
    """What stands before a question that is asked without its context."""
    takes_chat_template: bool
    """Whether the model's own chat template may be put around it."""

    def prompt(self, context: str, question: str) -> str:
        return f"{self.before}{context}{self.tail(question)}"

    def tail(self, question: str) -> str:
        """All that differs between two questions about the same context."""
        return f"{self.between}{question}{self.after}"

    def without_context(self, question: str) -> str:
        """The question by itself, as general instructions are asked: the closed-book control."""
        return f"{self.alone}{question}{self.after}"


TEMPLATES = {
    "plain": Template(BEFORE_CONTEXT, BEFORE_QUESTION, "", BEFORE_INSTRUCTION, takes_chat_template=True),
    "film": Template(
        "[INST] " + BEFORE_CONTEXT,
        BEFORE_QUESTION,
        " [/INST]",
        "[INST] " + BEFORE_INSTRUCTION,
        takes_chat_template=False,
    ),
}
