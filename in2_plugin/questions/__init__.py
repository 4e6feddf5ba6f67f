"""Write questions about passages: the values that pass through the stage, the writers, and their registry."""

from in2_plugin.questions.question import Kind, Part, Passage, Question, QuestionWriter, Rejection

__all__ = ["Kind", "Part", "Passage", "Question", "QuestionWriter", "Rejection"]
