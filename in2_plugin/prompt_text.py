"""FILM's instruction texts, shared by training and probing.

With a context: paper, example 9; microsoft/FILM, README. Without a context: the released prompts of CommonsenseQA; we
assume that the general instructions were trained with them, because the paper does not say.
"""

BEFORE_CONTEXT = (
    "Below is a context and an instruction. Based on the information provided in the context, "
    "write a response for the instruction.\n\n### Context:\n"
)
BEFORE_QUESTION = "\n\n### Instruction:\n"
BEFORE_INSTRUCTION = "Below is a user instruction. Write a response for the instruction.\n\n### Instruction:\n"
SEGMENT_NUMBER = "[{}] "
"""Before each segment of a context whose segments are numbered from 1."""
CITING = (
    "\n\nAnswer first. Then, on the last line, give the numbers of the segments that contain the answer, in the form\n"
    "Sources: [number] [number]"
)
"""After a question about numbered segments. The example has no digits, so that repeating it cites nothing."""
