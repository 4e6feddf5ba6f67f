"""List the paper's other tables: lm_eval task and metric, number of shots, and the paper's numbers per row.

Every number is a percentage of "Make Your LLM Fully Utilize the Context" (arXiv 2404.16811): Table 3 (LongBench), Table
4 (few-shot tasks), the bar chart of short tasks, and Table 7 (RULER). docs/film-suite.md describes how lm_eval's
settings differ from the paper's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MISTRAL, FILM, GPT4 = "Mistral-7B-Instruct-v0.2", "FILM-7B", "GPT-4-Turbo"
LENGTHS = (4_096, 8_192, 16_384, 32_768, 65_536, 131_072)
RULER_TASKS = (
    "niah_single_1", "niah_single_2", "niah_single_3", "niah_multikey_1", "niah_multikey_2", "niah_multikey_3",
    "niah_multiquery", "niah_multivalue", "ruler_vt", "ruler_cwe", "ruler_fwe", "ruler_qa_squad", "ruler_qa_hotpot",
)  # fmt: skip
MATH_TASKS = tuple(
    f"minerva_math_{subject}"
    for subject in (
        "algebra", "counting_and_prob", "geometry", "intermediate_algebra", "num_theory", "prealgebra", "precalc"
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One row of a table."""

    title: str
    tasks: tuple[str, ...]
    """The lm_eval tasks that are averaged; an lm_eval group counts as one task."""
    metric: str
    """`METRIC,FILTER` as in a results file."""
    shots: int
    """As in the paper."""
    paper: tuple[float, ...]
    """In percent, in the order of the table's `paper` names."""
    by_size: bool = False
    """True if tasks are weighted by their items, as in a benchmark split into subjects."""
    same_as: tuple[str, ...] = ()
    """Alternative lm_eval names of the task, in order of preference."""


@dataclass(frozen=True, slots=True)
class PaperTable:
    """Benchmarks that the paper shows together."""

    name: str
    title: str
    paper: tuple[str, ...]
    """Models whose numbers are shown."""
    rows: tuple[Benchmark, ...]
    average: tuple[float, ...] | None
    """The paper's own average; None if it has none."""
    caption: str


def _longbench(title: str, name: str, metric: str, *paper: float) -> Benchmark:
    return Benchmark(title, (f"longbench_{name}",), f"{metric},none", 0, paper)


def _ruler(length: int, *paper: float) -> Benchmark:
    return Benchmark(f"{length // 1024}K", RULER_TASKS, f"{length},none", 0, paper)


def _short(title: str, name: str, metric: str, shots: int, *paper: float) -> Benchmark:
    return Benchmark(title, (name,), metric, shots, paper)


LONGBENCH = PaperTable(
    "longbench", "LongBench, nine tasks", (MISTRAL, FILM, GPT4),
    (
        _longbench("NarrativeQA", "narrativeqa", "qa_f1_score", 23.5, 26.9, 33.0),
        _longbench("Qasper", "qasper", "qa_f1_score", 33.8, 42.2, 50.7),
        _longbench("MultiFieldQA-en", "multifieldqa_en", "qa_f1_score", 45.9, 56.0, 52.7),
        _longbench("HotpotQA", "hotpotqa", "qa_f1_score", 42.4, 62.1, 68.5),
        _longbench("2WikiMQA", "2wikimqa", "qa_f1_score", 24.3, 47.0, 64.3),
        _longbench("MuSiQue", "musique", "qa_f1_score", 20.8, 39.0, 49.1),
        _longbench("GovReport", "gov_report", "rouge_score", 33.3, 33.8, 33.9),
        _longbench("QMSum", "qmsum", "rouge_score", 24.8, 25.1, 25.4),
        _longbench("MultiNews", "multi_news", "rouge_score", 26.8, 26.9, 24.9),
    ),
    (30.6, 39.9, 44.7),
    "Paper: Table 3, prompts cut in the middle to 32K; F1 for questions, ROUGE-L for summaries.",
)  # fmt: skip
FEWSHOT = PaperTable(
    "fewshot", "LongBench, few-shot tasks", (MISTRAL, FILM, GPT4),
    (
        _longbench("TREC", "trec", "classification_score", 71.0, 76.0, 77.0),
        _longbench("TriviaQA", "triviaqa", "qa_f1_score", 84.5, 90.0, 91.7),
        _longbench("SAMSum", "samsum", "rouge_score", 35.8, 39.5, 39.7),
    ),
    (63.8, 68.5, 69.5),
    "Paper: Table 4. The examples are part of the context, so lm_eval adds none.",
)  # fmt: skip
SHORT = PaperTable(
    "short", "Short contexts", (MISTRAL, FILM),
    (
        Benchmark("MMLU", ("film_mmlu",), "acc,none", 5, (59.3, 59.2), same_as=("mmlu",)),
        _short("BoolQ", "boolq", "acc,none", 0, 85.4, 87.7),
        _short("RACE-H", "race", "acc,none", 0, 46.0, 45.6),
        _short("CommonsenseQA", "commonsense_qa", "acc,none", 0, 70.0, 75.3),
        _short("ARC-C", "arc_challenge", "acc_norm,none", 0, 55.9, 52.5),
        _short("HellaSwag", "hellaswag", "acc_norm,none", 0, 83.6, 79.1),
        _short("GSM8K", "gsm8k", "exact_match,strict-match", 8, 40.4, 44.5),
        Benchmark("MATH", MATH_TASKS, "exact_match,none", 4, (8.7, 11.3), by_size=True),
    ),
    None,
    "Paper: bar chart. CommonsenseQA, GSM8K and MATH were measured there with other scripts: answers are generated, "
    "and the shots of the last two chosen by similarity.",
)  # fmt: skip
RULER = PaperTable(
    "ruler", "RULER by length", ("Mistral-7B", FILM),
    (
        _ruler(4_096, 93.6, 92.8),
        _ruler(8_192, 91.2, 88.2),
        _ruler(16_384, 87.2, 88.1),
        _ruler(32_768, 75.4, 86.9),
        _ruler(65_536, 49.0, 70.1),
        _ruler(131_072, 13.8, 27.1),
    ),
    (68.4, 75.5),
    "Paper: Table 7, mean of 13 tasks, beyond 32K with YaRN. FILM-7B was run there without the example of the "
    "common words task.",
)  # fmt: skip
PAPER_TABLES: Sequence[PaperTable] = (LONGBENCH, FEWSHOT, SHORT, RULER)
