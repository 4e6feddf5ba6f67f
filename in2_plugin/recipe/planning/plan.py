"""Plan a recipe on a number of GPUs: memory, days, steps, disk, money for questions.

Needs no network, GPU or data: the build file gives the amount of data, a table the models, and `preflight.costs` the
formulas. Invariant: the number of examples per step is the same on any number of GPUs, or the plan says that it cannot
be. Cost: 0.2 s per file.
"""

from dataclasses import dataclass, replace

import numpy as np

from in2_plugin import layout
from in2_plugin.config import load_build_config
from in2_plugin.errors import ConfigError
from in2_plugin.preflight.costs import Gpu, Memory, ModelShape, Setup, memory, seconds
from in2_plugin.preflight.dataset_summary import DatasetSummary, summarize_in2
from in2_plugin.preflight.estimate import MFU, most_answers, row_length, steps_of
from in2_plugin.preflight.loading import choose_gpu
from in2_plugin.recipe.folder import RecipeFolder
from in2_plugin.recipe.planning.assumed_data import planned_data
from in2_plugin.recipe.planning.disk import Disk, disk_of, host_bytes
from in2_plugin.recipe.planning.model_shape import KnownShape, known_shape
from in2_plugin.recipe.planning.published_models import CONFIGS
from in2_plugin.recipe.planning.question_cost import QuestionCost, question_cost
from in2_plugin.recipe.training_file import TrainingFile, read_training_file
from in2_plugin.training.axolotl.plugins import trains_on_prompts
from in2_plugin.training.length_balance import Work, balanced_order, efficiency

COUNTS = (1, 8, 16, 32, 64, 128)
"""Numbers of GPUs in the default table."""
DAY = 86_400
GROUP = 8
"""Completions per prompt, TRL's default."""
PAPER_GPU_DAYS = 300
"""The full run on A100-80G (paper, section 2)."""
PAPER_GPU, PAPER_MFU = "A100-80G", 0.27
"""The share of the peak that gives those GPU-days by our formulas; docs/recipes.md has the calculation."""


@dataclass(frozen=True, slots=True)
class Machines:
    """A run on one number of GPUs."""

    gpus: int
    accumulation: int
    """0 if the examples of a step cannot be divided evenly."""
    batch: int
    """Examples per step."""
    memory: Memory
    host: float
    """Host memory for offloading on one machine of up to eight GPUs, in bytes."""
    efficiency: float
    """Share of the time in which ranks do not wait for each other."""
    seconds: float
    """Duration at MFU, including waiting."""

    @property
    def days(self) -> float:
        """Duration at MFU, including waiting."""
        return self.seconds / DAY

    @property
    def days_at_the_papers_pace(self) -> float:
        """Duration at PAPER_MFU, which includes the paper's own waiting."""
        return self.days * self.efficiency * MFU / PAPER_MFU


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The plan of one training file."""

    file: TrainingFile
    model: KnownShape
    gpu: Gpu
    facts: DatasetSummary
    steps: int
    """Steps with the batch size of the file."""
    machines: tuple[Machines, ...]
    """Empty for runs on prompts and rewards: most of their time goes into generation, and is not estimated."""
    disk: Disk

    @property
    def examples(self) -> int:
        """Examples per epoch."""
        return int(self.facts.examples or 0)

    @property
    def tokens(self) -> float:
        """Tokens of the whole run."""
        share = self.steps * self.machines[0].batch / max(1, self.examples * self.file.epochs)
        return float(self.facts.lengths.mean()) * self.examples * self.file.epochs * min(1.0, share)


@dataclass(frozen=True, slots=True)
class RecipePlan:
    """The plan of a recipe."""

    recipe: RecipeFolder
    questions: QuestionCost | None
    """None without a build file."""
    runs: tuple[RunPlan, ...]


def plan_recipe(
    recipe: RecipeFolder, *, gpus: int | None = None, gpu: str | None = None, base_model: str | None = None
) -> RecipePlan:
    """Plan every training file of a recipe.

    Args:
        gpus: number of GPUs; a table over COUNTS by default.
        gpu: a name of `costs.GPUS`; by default the GPU that the file names, or an A100-80G.
        base_model: a folder to read instead of the file's base model.

    Raises:
        ConfigError: a file cannot be read, the model is unknown, or a step cannot be divided among that many GPUs.
    """
    build = load_build_config(recipe.build_file) if recipe.build_file else None
    planned = planned_data(build) if build else None
    files = [read_training_file(path) for path in (*recipe.axolotl_files, *recipe.trl_files)]
    if not files:
        raise ConfigError(f"{recipe.path}: has no axolotl.yml or sft.yml to plan")
    runs = []
    for file in files:
        data = _built(recipe, file) or (planned.facts(", ".join(file.datasets), file.sequence_len) if planned else None)
        if data is None:
            raise ConfigError(f"{file.path}: neither its dataset nor a build.yml exists; build the dataset first")
        model = known_shape(base_model or file.base_model, recipe.path)
        runs.append(_plan(file, model, data, gpus, choose_gpu(gpu or file.gpu or PAPER_GPU)))
    return RecipePlan(recipe, question_cost(build) if build else None, tuple(runs))


def _built(recipe: RecipeFolder, file: TrainingFile) -> DatasetSummary | None:
    """Return the facts of the dataset if it is already built."""
    folders = [recipe.path / path for path in file.datasets]
    if len(folders) != 1 or not (folders[0] / layout.MANIFEST).is_file():
        return None
    return summarize_in2({"path": str(folders[0]), "type": "in2"}, file.sequence_len)


def _plan(file: TrainingFile, model: KnownShape, data: DatasetSummary, gpus: int | None, gpu: Gpu) -> RunPlan:
    if trains_on_prompts(file.cfg):
        return _prompt_plan(file, model, data, gpus, gpu)
    counts = (gpus,) if gpus else COUNTS
    machines = tuple(_machines(file, model.shape, data, count, gpu) for count in counts)
    if gpus and not machines[0].accumulation:
        raise ConfigError(f"{file.path}: {_unshared(file, gpus)}")
    batch = file.launch.batch if file.launch else machines[0].batch
    steps = _steps(file, data, batch)
    setup = file.setup(counts[0], model.shape)
    return RunPlan(file, model, gpu, data, steps, machines, disk_of(file, model.shape, setup, data, steps))


def _prompt_plan(file: TrainingFile, model: KnownShape, data: DatasetSummary, gpus: int | None, gpu: Gpu) -> RunPlan:
    """Return a plan without time and memory; a step has the completions of a group for each of its prompts."""
    setup = file.setup(gpus or (file.launch.gpus if file.launch else 1), model.shape)
    group = int((file.cfg.trl or {}).get("num_generations") or GROUP)
    prompts = max(1, (file.launch.batch if file.launch else setup.batch) // group)
    steps = steps_of(data.examples or 0, file.epochs, prompts)
    steps = min(steps, file.max_steps) if file.max_steps else steps
    return RunPlan(file, model, gpu, data, steps, (), disk_of(file, model.shape, setup, data, steps))


def _unshared(file: TrainingFile, gpus: int) -> str:
    batch = file.launch.batch if file.launch else 0
    fit = [str(count) for count in range(1, batch + 1) if batch % count == 0]
    return f"a step of {batch} examples cannot be divided evenly among {gpus} GPUs; use {', '.join(fit)}"


def _steps(file: TrainingFile, data: DatasetSummary, batch: int) -> int:
    steps = steps_of((data.examples or 0) / _rows(file, data), file.epochs, batch)
    return min(steps, file.max_steps) if file.max_steps else steps


def _rows(file: TrainingFile, data: DatasetSummary) -> float:
    """Return the number of examples per row."""
    return max(1.0, (file.sequence_len or 0) / float(data.lengths.mean())) if file.packed else 1.0


def _machines(file: TrainingFile, shape: ModelShape, data: DatasetSummary, gpus: int, gpu: Gpu) -> Machines:
    setup = _shared(file, file.setup(gpus, shape))
    row = row_length(file.cfg, [data])
    used = _ranks_used(file, shape, setup, data)
    one_pass = seconds(shape, data.lengths, setup, gpu, MFU, used) / len(data.lengths) * (data.examples or 0)
    epochs = file.epochs
    if file.max_steps and setup.batch:
        epochs = min(epochs, file.max_steps * setup.batch * _rows(file, data) / (data.examples or 1))
    need = memory(shape, setup, row, most_answers(file.cfg, [data], row))
    host = host_bytes(shape, setup, row)
    return Machines(gpus, setup.accumulation, setup.batch, need, host, used, one_pass * epochs)


def _shared(file: TrainingFile, setup: Setup) -> Setup:
    """Return the setup with the accumulation that keeps the examples per step; 0 if there is none."""
    if file.launch is None:
        return setup
    each = setup.replicas * setup.micro_batch
    return replace(setup, accumulation=0 if file.launch.batch % each else file.launch.batch // each)


def _ranks_used(file: TrainingFile, shape: ModelShape, setup: Setup, data: DatasetSummary) -> float:
    if file.packed:
        return 1.0
    ranks, micro_batch = setup.replicas, setup.micro_batch
    work = Work(shape.active, shape.layers, shape.attention_width)
    if file.balanced:
        order = balanced_order(data.lengths, ranks=ranks, micro_batch=micro_batch, seed=0, epoch=0)
    else:
        order = np.random.default_rng(0).permutation(len(data.lengths))
    return efficiency(data.lengths, order, ranks=ranks, micro_batch=micro_batch, work=work)


def short_plan(recipe: RecipeFolder) -> str:
    """Return `16 x A100-80G, 13 to 19 days` for the recipe's main file; empty if its model is not a published one."""
    build = load_build_config(recipe.build_file) if recipe.build_file else None
    paths = [*recipe.axolotl_files, *recipe.trl_files]
    file = read_training_file(paths[0]) if paths else None
    if build is None or file is None or file.base_model not in CONFIGS:
        return ""
    gpus = file.launch.gpus if file.launch else 1
    data = planned_data(build).facts("", file.sequence_len)
    gpu = choose_gpu(file.gpu or PAPER_GPU)
    if trains_on_prompts(file.cfg):
        return f"{gpus} x {gpu.name}, time not estimated"
    one = _machines(file, known_shape(file.base_model, recipe.path).shape, data, gpus, gpu)
    return f"{gpus} x {gpu.name}, {one.days:.2g} to {one.days_at_the_papers_pace:.2g} days"
