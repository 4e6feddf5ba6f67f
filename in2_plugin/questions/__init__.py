"""Questions: what they are, who writes them, and the passages they are written about."""

from in2_plugin.questions.question import Kind, Part, Passage, Question, QuestionWriter, Rejection

__all__ = ["Kind", "Part", "Passage", "Question", "QuestionWriter", "Rejection"]
