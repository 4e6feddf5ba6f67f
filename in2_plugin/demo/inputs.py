"""Check what a demo is asked to do before it costs anything: the keys of its settings, and the documents of its corpus.

A user's corpus may have fewer documents than the probe of the recipe takes; then the probe gets half of them, since
training never sees its documents. Cost: reading at most twice as many documents as the probe takes.
"""

from itertools import islice

from in2_plugin.config import CorpusConfig
from in2_plugin.config.build import BuildConfig
from in2_plugin.config.probe import ProbeConfig
from in2_plugin.demo.folder import PROBE
from in2_plugin.demo.plan import DemoRequest
from in2_plugin.demo.settings import FILE, merged
from in2_plugin.errors import ConfigError


def read_probe_settings(request: DemoRequest) -> ProbeConfig:
    """Return the settings of the probe, after checking those of the training data, too.

    Raises:
        ConfigError: a key of the recipe is unknown, or a value is invalid.
    """
    wiring = {"output": PROBE, "tokenizer": request.model_path}
    for one in request.size.rounds:
        BuildConfig.parse(merged(request.recipe, "build.yml", one.build, wiring), _origin(request, "build.yml"))
    values = merged(request.recipe, "probe.yml", request.size.probe, wiring)
    return ProbeConfig.parse(values, _origin(request, "probe.yml"))


def _origin(request: DemoRequest, name: str) -> str:
    return f"{request.recipe / name}, changed by {FILE}"


def probe_documents(request: DemoRequest, probe: ProbeConfig) -> int | None:
    """Return how many documents the probe gets: None for the number of the recipe, fewer of a small corpus.

    Raises:
        CorpusError: the corpus cannot be read, or has no text.
        ConfigError: it has a single document.
    """
    from in2_plugin.corpus.sources.documents import read_documents

    if request.corpus is None or probe.documents is None:
        return None
    sources = CorpusConfig(sources=[request.corpus]).sources  # type: ignore[arg-type]
    found = sum(1 for _ in islice(read_documents(sources), 2 * probe.documents))
    if found < 2:
        raise ConfigError(
            f"{request.corpus}: has only one document, but questions about some documents are asked after training on "
            "others; put each document into its own file, or into a row of a JSONL file"
        )
    return None if found == 2 * probe.documents else found // 2
