"""FILM's instruction text, one copy for training and probing (paper, example 9; microsoft/FILM, README)."""

BEFORE_CONTEXT = (
    "Below is a context and an instruction. Based on the information provided in the context, "
    "write a response for the instruction.\n\n### Context:\n"
)
BEFORE_QUESTION = "\n\n### Instruction:\n"
