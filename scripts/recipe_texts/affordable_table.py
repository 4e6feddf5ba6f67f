"""The recipes that people can afford, and those of present models: adapters, Llama 3.1, Qwen3, YaRN, TRL.

Invariant: what differs between two of them stands in `RECIPES` and in `affordable_texts`; everything else is in the
templates. Learning rates that are not the paper's are chosen and not searched, and say so.
"""

from dataclasses import dataclass, replace

from in2_plugin.preflight.costs import ModelShape, Setup
from in2_plugin.recipe.planning.published_models import CONFIGS, dense_shape
from recipe_texts import affordable_costs as costs

MISTRAL, LLAMA = "mistralai/Mistral-7B-Instruct-v0.2", "meta-llama/Llama-3.1-8B-Instruct"
QWEN_4B, QWEN_8B = "Qwen/Qwen3-4B", "Qwen/Qwen3-8B"
NATIVE = 32_768
"""Window that Qwen3 was trained with; YaRN multiplies it (model card)."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One folder."""

    name: str
    model: str
    rate: str
    rate_why: str
    longest: int = NATIVE
    examples: int = 17_500
    batch: int = 64
    gpus: int = 8
    card: int = 80
    """Memory of a GPU, in GB."""
    documents: int = 200_000
    rank: int = 0
    """Of LoRA matrices; 0 trains all weights."""
    four_bits: bool = False
    offload: bool = False
    """Activations in the host's memory."""
    in_parts: int = 0
    """GPUs that a row is spread over in axolotl-context-parallel.yml; 0 without that file."""
    film: bool = False
    """FILM's `[INST]` instead of the model's chat template."""
    trl: bool = False
    tasks: str = "val_probe_8k,val_probe_32k"

    @property
    def shape(self) -> ModelShape:
        return dense_shape(CONFIGS[self.model])

    @property
    def accumulation(self) -> int:
        return self.batch // self.gpus

    @property
    def steps(self) -> int:
        return -(-self.examples // self.batch)

    @property
    def factor(self) -> int:
        """Of YaRN; 1 within the native window."""
        return max(1, self.longest // NATIVE)

    @property
    def setup(self) -> Setup:
        made = (
            costs.adapted(self.shape, self.rank, self.accumulation, self.four_bits)
            if self.rank
            else costs.sharded(self.gpus, self.accumulation)
        )
        return replace(made, offload_activations=self.offload)


LORA_RATE = "not searched; adapters take far more than 1e-6, and ivy3h/LITM_Thesis has 1e-4 for LoRA on IN2 data"
SHORT_RUN = "not searched; twice the paper's 1e-6, which is for 13.7K steps"
RECIPES = (
    Recipe("lora-80gb", MISTRAL, "1.0e-4", LORA_RATE, batch=32, gpus=1, rank=64, film=True),
    Recipe(
        "qlora-24gb", MISTRAL, "1.0e-4", LORA_RATE, longest=16_384, examples=8_750, batch=16, gpus=1, card=24,
        documents=100_000, rank=32, four_bits=True, film=True, tasks="val_probe_8k,val_probe_16k",
    ),
    Recipe("llama-3.1-8b", LLAMA, "2.0e-6", SHORT_RUN),
    Recipe("qwen3-4b", QWEN_4B, "4.0e-6", "not searched; twice that of qwen3-8b, for a model of half the size"),
    Recipe("qwen3-8b", QWEN_8B, "2.0e-6", SHORT_RUN),
    Recipe(
        "yarn-64k", QWEN_8B, "2.0e-6", SHORT_RUN, longest=65_536, documents=400_000, offload=True, in_parts=4,
        tasks="val_probe_32k,val_probe_64k",
    ),
    Recipe(
        "yarn-128k", QWEN_8B, "2.0e-6", SHORT_RUN, longest=131_072, examples=8_750, batch=32, documents=400_000,
        offload=True, in_parts=4, tasks="val_probe_32k,val_probe_64k,val_probe_128k",
    ),
    Recipe("trl-zero3", MISTRAL, "1.0e-6", "section 2.2, the peak", batch=128, film=True, trl=True),
)  # fmt: skip
