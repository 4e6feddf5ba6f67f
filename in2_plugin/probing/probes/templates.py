"""The text of a prompt: FILM's instruction template without tags, or with its literal [INST] tags.

Both put the context before the question, so that all questions about a context share a prefix.
"""

from dataclasses import dataclass

from in2_plugin.prompt_text import BEFORE_CONTEXT, BEFORE_INSTRUCTION, BEFORE_QUESTION


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """The fixed text before the context, between context and question, and after the question."""

    before: str
    between: str
    after: str
    alone: str
    """The text before a question without its context."""
    takes_chat_template: bool
    """True if the model's own chat template may be applied to the prompt."""

    def prompt(self, context: str, question: str) -> str:
        return f"{self.before}{context}{self.tail(question)}"

    def tail(self, question: str) -> str:
        """Return the part that differs between two questions about the same context."""
        return f"{self.between}{question}{self.after}"

    def without_context(self, question: str) -> str:
        """Return the prompt of the closed-book control, worded like a general instruction."""
        return f"{self.alone}{question}{self.after}"


TEMPLATES = {
    "plain": PromptTemplate(BEFORE_CONTEXT, BEFORE_QUESTION, "", BEFORE_INSTRUCTION, takes_chat_template=True),
    "film": PromptTemplate(
        "[INST] " + BEFORE_CONTEXT,
        BEFORE_QUESTION,
        " [/INST]",
        "[INST] " + BEFORE_INSTRUCTION,
        takes_chat_template=False,
    ),
}
