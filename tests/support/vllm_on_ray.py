"""A stand-in for vLLM with the names that Ray's vLLM stage uses, for the workers of a test cluster.

The answer to the word `x` is `answer to x`, one token per word. Some words are special: `long` is rejected, `slow`
waits for the file `release` in the package folder, and `dead` waits and then kills the engine. The arguments of each
engine are written to `engines.jsonl` there, and its prompts to `prompts.jsonl`.
"""

from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, processors

from tests.support.vocabularies import save

PACKAGE = {
    "__init__.py": """
import asyncio, json, os
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from vllm import inputs, outputs, sampling_params
from vllm.sampling_params import SamplingParams
from vllm.v1.engine.exceptions import EngineDeadError

FOLDER = Path(__file__).parent

def note(file, **what):
    with open(FOLDER / file, "a") as out:
        out.write(json.dumps(what) + "\\n")

class AsyncEngineArgs:
    def __init__(self, model, *, tensor_parallel_size=1, pipeline_parallel_size=1, max_model_len=2048, max_num_seqs=256,
                 distributed_executor_backend=None, task_type=None, runner=None, enable_log_requests=True,
                 gpu_memory_utilization=0.9):
        if gpu_memory_utilization > 1:
            raise ValueError("Free memory on device is less than desired\\n GPU memory utilization")
        self.__dict__.update({name: value for name, value in locals().items() if name != "self"})
        note("engines.jsonl", backend=distributed_executor_backend, gpus=os.environ.get("CUDA_VISIBLE_DEVICES", ""),
             window=max_model_len, pid=os.getpid())

    def create_engine_config(self):
        return SimpleNamespace(
            scheduler_config=SimpleNamespace(max_num_seqs=self.max_num_seqs),
            parallel_config=SimpleNamespace(pipeline_parallel_size=self.pipeline_parallel_size),
        )

class AsyncLLMEngine:
    def __init__(self, args):
        from transformers import AutoTokenizer
        self.args, self.tokenizer = args, AutoTokenizer.from_pretrained(args.model)

    @classmethod
    def from_engine_args(cls, args, stat_loggers=None):
        return cls(args)

    async def generate(self, prompt, sampling_params, request_id, lora_request=None):
        ids = list(prompt["prompt_token_ids"])
        text_in = self.tokenizer.decode(ids).split("user")[1].split("model")[0].strip()
        note("prompts.jsonl", prompt=text_in, ids=[int(i) for i in ids], sampling=asdict(sampling_params))
        words = text_in.split()
        if "long" in words:
            raise ValueError(f"The prompt is longer than the maximum\\nmodel length of {self.args.max_model_len}")
        while {"slow", "dead"} & set(words) and not (FOLDER / "release").exists():
            await asyncio.sleep(0.01)
        if "dead" in words:
            raise EngineDeadError("the engine died")
        text = f"answer to {text_in}".split()[: sampling_params.max_tokens]
        given = outputs.CompletionOutput(text=" ".join(text), token_ids=list(range(len(text))))
        yield outputs.RequestOutput(prompt_token_ids=ids, outputs=[given])

    async def do_log_stats(self):
        pass
""",
    "inputs.py": """
def TokensPrompt(**given):
    return given

def TextPrompt(**given):
    raise AssertionError("prompts come as token ids")
""",
    "outputs.py": """
from dataclasses import dataclass

@dataclass
class CompletionOutput:
    text: str
    token_ids: list
    logprobs: object = None

@dataclass
class RequestOutput:
    prompt_token_ids: list
    outputs: list
    prompt: object = None
    finished: bool = True
    metrics: object = None
    prompt_logprobs: object = None

class PoolingRequestOutput: ...
""",
    "sampling_params.py": """
from dataclasses import dataclass

@dataclass
class StructuredOutputsParams:
    json: "str | dict | None" = None

@dataclass
class SamplingParams:
    temperature: float = 1.0
    max_tokens: "int | None" = 16
    stop: "str | list | None" = None
    structured_outputs: "StructuredOutputsParams | None" = None
""",
    "v1/__init__.py": "",
    "v1/engine/__init__.py": "",
    "v1/engine/exceptions.py": "class EngineDeadError(Exception): ...",
    "v1/metrics/__init__.py": "",
    "v1/metrics/ray_wrappers.py": "class RayPrometheusStatLogger: ...",
}
TEMPLATE = "{{ bos_token }}user {{ messages[0]['content'] }} {{ style | default('plain') }} model"
WORDS = ["<s>", "<unk>", "user", "model", "plain", "brief", "long", "dead", "slow", "good", *map(str, range(200))]


def install(folder: Path) -> Path:
    """Write the package into a folder for PYTHONPATH; return the package's own folder."""
    for name, text in PACKAGE.items():
        file = folder / "vllm" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder / "vllm"


def model(folder: Path) -> Path:
    """Write a model folder without weights: one token per word, and a tokenizer that starts every text with `<s>`."""
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(["<s>", "<unk>"])
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 0)])
    save(tokenizer, folder, TEMPLATE, bos_token="<s>", unk_token="<unk>")
    (folder / "config.json").write_text('{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}')
    return folder
