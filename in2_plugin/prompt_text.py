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
