"""What the READMEs of the paper's recipes say in words, and the paper's scores.

Invariant: every score is one of the paper's tables; sections and tables are those of its NeurIPS version.
"""

from collections.abc import Mapping
from dataclasses import dataclass

LONGBENCH = (
    "narrativeqa", "qasper", "multifieldqa_en", "hotpotqa", "2wikimqa", "musique", "gov_report", "qmsum", "multi_news",
)  # fmt: skip
FEW_SHOT = ("trec", "triviaqa", "samsum")
MATHS = (
    "algebra", "counting_and_probability", "geometry", "intermediate_algebra", "number_theory", "prealgebra",
    "precalculus",
)  # fmt: skip
EVALUATION_SETS: tuple[tuple[str, str | None, str, str], ...] = (
    *(("Xnhyacinth/LongBench", name, "test", "Table 3") for name in LONGBENCH),
    *(("Xnhyacinth/LongBench", name, "test", "Table 4") for name in FEW_SHOT),
    ("cais/mmlu", "all", "test", "the short tasks"),
    ("aps/super_glue", "boolq", "validation", "the short tasks"),
    ("EleutherAI/race", "high", "test", "the short tasks"),
    ("tau/commonsense_qa", None, "validation", "the short tasks"),
    ("allenai/ai2_arc", "ARC-Challenge", "test", "the short tasks"),
    ("Rowan/hellaswag", None, "validation", "the short tasks"),
    ("openai/gsm8k", "main", "test", "the short tasks"),
    *(("EleutherAI/hendrycks_math", name, "test", "the short tasks") for name in MATHS),
)
"""(dataset, configuration, split, where the paper evaluates on it)"""

Row = tuple[str, str, str, str, str, str]
BEFORE: Row = ("before", "74.2 / 32.1", "20.3 / 59.5", "47.5 / 77.0", "47.3 / 56.2", "paper, Table 1")
FULL: Row = ("FILM-7B", "85.4 / 6.1", "83.3 / 18.7", "89.0 / 16.8", "85.9 / 13.9", "paper, Table 1")
FIFTH: Row = ("after, 20%", "82.9 / 11.5", "74.5 / 27.7", "83.5 / 31.6", "80.3 / 23.6", "paper, Table 6")
TENTH: Row = ("after, 10%", "84.3 / 11.3", "75.2 / 31.8", "82.3 / 32.7", "80.6 / 25.3", "paper, Table 6")
HUNDREDTH: Row = ("after, 1%", "76.2 / 18.8", "63.3 / 48.0", "70.9 / 36.7", "70.1 / 34.5", "paper, Table 6")
CONTROL: Row = ("after", "69.0 / 25.9", "30.2 / 76.5", "53.4 / 54.4", "50.9 / 52.3", "paper, Table 2")
AS_IS: Row = ("base 1e6, film-7b-20pct", *FIFTH[1:5], "paper, Table 5")
ROPE = {
    "rope-2e6": ("base 2e6", "83.9 / 9.3", "79.8 / 27.1", "87.7 / 13.2", "83.8 / 16.5", "paper, Table 5"),
    "rope-1e7": ("base 1e7", "83.7 / 7.6", "81.7 / 18.4", "89.4 / 16.8", "84.9 / 14.3", "paper, Table 5"),
    "rope-1e8": ("base 1e8", "84.6 / 6.6", "81.4 / 22.3", "87.7 / 13.2", "84.6 / 14.0", "paper, Table 5"),
}
SCORES: Mapping[str, tuple[Row, ...]] = {
    "film-7b": (BEFORE, ("after", *FULL[1:])),
    "film-7b-1pct": (BEFORE, HUNDREDTH, FULL),
    "film-7b-10pct": (BEFORE, TENTH, FULL),
    "film-7b-20pct": (BEFORE, FIFTH, FULL),
    **{name: (BEFORE, AS_IS, row) for name, row in ROPE.items()},
    "sliding-window": (BEFORE, ("without a window, film-7b-20pct", *FIFTH[1:])),
    "instruct-only": (BEFORE, CONTROL, ("IN2 instead, film-7b-20pct", *FIFTH[1:])),
}


@dataclass(frozen=True, slots=True)
class Story:
    """What a README says that its table of values does not."""

    title: str
    """Shown by `in2 recipes list`: what, on what."""
    what: str
    """First words of axolotl.yml."""
    data: str
    """First words of build.yml."""
    purpose: str
    gpus: str
    expectation: str
    caveats: str
    troubles: tuple[str, ...] = ()


NOBODY = "Nobody has run this recipe with these tools. What the paper reports for its own run:"
CAVEATS = """\
- The paper has one run a setting, questions by GPT-4-Turbo and its own probes; the error of a figure is not known.
  Compare with `val_probe_paper`, which asks the paper's own questions. `val_probe` asks ours, which no model has read,
  and its figures are not the paper's.
- Gaps are above zero by chance alone: 5 to 9 points for a model that is equally good everywhere (`docs/probes.md`).
- Short answers cost long ones: LongGenBench reports that FILM-7B writes long texts worse than the model that it comes
  from."""
SIXTEEN = "16 GPUs of 80 GB (two machines of 8 with a fast network); 8 do it in twice the time, 128 are the paper's."
EIGHT = "8 GPUs of 80 GB on one machine; 4 do it in twice the time."
_ROPE_TROUBLES = (
    "**The base has no effect**: it has to be under `rope_parameters`. transformers 5 takes `rope_theta` by itself as "
    "a new key and rotates as before; `grep -A3 rope_parameters out/config.json` shows what was trained with.",
)


TWENTY = "The data of film-7b-20pct: 350,000 examples of 4K to 32K tokens"


def _rope(base: str, times: str) -> Story:
    return Story(
        title=f"The paper's ablation of RoPE: base {base}, not 1e6, on film-7b-20pct's data, Mistral-7B-Instruct-v0.2",
        what=f"Train Mistral-7B-Instruct-v0.2 with RoPE base {base} on 20% of FILM-7B's examples",
        data=TWENTY,
        purpose=(
            f"What it is for: to see what {times} RoPE base changes, against film-7b-20pct, from which this folder "
            "differs in one setting. The data is the same: build it once and let `path:` of the other folders point to "
            "it. The paper recommends ten times the base of the model that is trained (Table 5)."
        ),
        gpus=SIXTEEN,
        expectation=NOBODY,
        caveats=f"{CAVEATS}\n- The paper prints the same Database figures for 2e6 and 1e8, possibly a slip of copying.",
        troubles=_ROPE_TROUBLES,
    )


def _share(percent: int, examples: str, steps: str) -> Story:
    return Story(
        title=f"FILM-7B with {percent}% of its data: {examples} examples, 4K to 32K tokens, Mistral-7B-Instruct-v0.2",
        what=f"Train Mistral-7B-Instruct-v0.2 on {percent}% of FILM-7B's examples",
        data=f"{percent}% of FILM-7B's data: {examples} examples of 4K to 32K tokens",
        purpose=(
            f"What it is for: the effect of FILM-7B for {percent}% of its cost, {steps} steps. The mixture and every "
            "setting are those of film-7b; only the number of examples is another."
        ),
        gpus=SIXTEEN if percent > 1 else EIGHT,
        expectation=NOBODY,
        caveats=CAVEATS,
    )


STORIES: Mapping[str, Story] = {
    "film-7b": Story(
        title="FILM-7B as the paper trained it: 1.75M examples of 4K to 32K tokens, on Mistral-7B-Instruct-v0.2",
        what="Train FILM-7B",
        data="FILM-7B's data: 1.75M examples of 4K to 32K tokens",
        purpose=(
            "What it is for: to reproduce the paper's full run (arXiv 2404.16811). Run film-7b-1pct first: a hundredth "
            "of the cost shows whether data, machines and probes work, and most of the effect is there already."
        ),
        gpus=SIXTEEN,
        expectation=NOBODY,
        caveats=CAVEATS,
    ),
    "film-7b-1pct": _share(1, "17,500", "137"),
    "film-7b-10pct": _share(10, "175,000", "1,368"),
    "film-7b-20pct": _share(20, "350,000", "2,735"),
    "rope-2e6": _rope("2e6", "twice the"),
    "rope-1e7": _rope("1e7", "ten times the"),
    "rope-1e8": _rope("1e8", "a hundred times the"),
    "sliding-window": Story(
        title="The paper's ablation of attention: a 4K window, on film-7b-20pct's data, Mistral-7B-Instruct-v0.2",
        what="Train Mistral-7B-Instruct-v0.2 with a window of 4,096 tokens on 20% of FILM-7B's examples",
        data=TWENTY,
        purpose=(
            "What it is for: to see what a sliding window does to IN2 training, against film-7b-20pct, from which this "
            "folder differs in one setting. This is the paper's variant with the window in IN2 training alone, on "
            "v0.2; its data is that of film-7b-20pct (`path:`). For the paper's other variant, where the window was "
            "there in pre-training, take mistralai/Mistral-7B-Instruct-v0.1 in build.yml, axolotl.yml and eval.sh."
        ),
        gpus=SIXTEEN,
        expectation=(
            "Nobody has run this recipe with these tools. The paper shows a figure and no numbers: the scores collapse "
            "as soon as the evidence is farther from the question than the window. For comparison:"
        ),
        caveats=CAVEATS,
        troubles=(
            "**Preflight refuses the window**: it should, elsewhere; `in2: {preflight: false}` lets this run begin.",
            "**`in2-hf` says that contexts are not shared**: a model with a window asks each question with its own "
            "reading of the context, which takes hours; `BACKEND=in2-vllm ./eval.sh ...` is the way out.",
        ),
    ),
    "instruct-only": Story(
        title="The paper's control: 300,000 conversations of OpenOrca, no IN2 data, on Mistral-7B-Instruct-v0.2",
        what="Train Mistral-7B-Instruct-v0.2 on OpenOrca alone",
        data="The control's data: 300,000 conversations of OpenOrca",
        purpose=(
            "What it is for: the control of the paper's Table 2. As many examples as the 20% run, but plain "
            "instructions: what IN2 training gains beyond it is not due to training as such."
        ),
        gpus="8 GPUs of 80 GB on one machine, for some hours; 2 do it as well.",
        expectation=NOBODY,
        caveats=CAVEATS,
        troubles=(
            "**The build cuts a corpus that nothing is taken from**: a build has to have one, and the bundled one "
            "takes half a minute.",
        ),
    ),
}
