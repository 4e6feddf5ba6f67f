"""Every error that this package raises, as one tree.

    In2Error
    ├── ConfigError            a build file or command line has an unknown or invalid value
    ├── MissingExtra           an optional part is not installed; the message has the install command
    ├── CorpusError            a document source cannot be read
    ├── TokenizerError         the tokenizer or its chat template cannot be used
    │   └── TokenizerMismatch  a dataset was built for another tokenizer
    ├── EndpointError          an endpoint cannot answer at all: unreachable, wrong key, too many errors
    ├── WorkLogError           the work log cannot be read or written; its content is safe
    ├── FolderLocked           another process holds the folder
    ├── SpendingStopped        a limit of calls or money is reached, or too few answers can be used
    ├── NotEnoughQuestions     the corpus does not yield the requested questions
    ├── NotEnoughSegments      the corpus does not have enough filler for the requested lengths
    ├── NotEnoughInstructions  an instruction dataset does not have the requested conversations
    ├── WorkerDied             a worker process was killed
    ├── ShardsMissing          shards of other jobs are missing
    ├── ArrayJobDone           not an error: this job's share of a stage is done
    ├── AuditFailed            a finished dataset does not match its build file; names the failing figure
    ├── DatasetError           a dataset folder is missing, unfinished or damaged
    ├── HubError               the hub rejects an upload
    ├── ModelError             a base model cannot be downloaded or converted, or its folder is damaged
    ├── ProbeError             a probe cannot be built as asked
    │   └── PromptTooLong      a probe prompt does not fit the model's window
    ├── ReportError            results cannot be read or compared
    └── DemoFailed             a command of the demo failed; has the end of its log

Each message states what is wrong, where (file, row, field), and what to do.
"""


class In2Error(Exception):
    """Base class of all errors; the message is one sentence for the user."""


class ConfigError(In2Error):
    """A configuration key or value is unknown, out of bounds or inconsistent."""


class MissingExtra(In2Error):
    """An optional dependency is not installed."""

    def __init__(self, needed_for: str, extra: str) -> None:
        super().__init__(f'{needed_for} needs an optional dependency: pip install "in2-plugin[{extra}]"')


class CorpusError(In2Error):
    """A source of documents cannot be read; names the file and the row."""


class TokenizerError(In2Error):
    """A tokenizer or chat template cannot be loaded or cannot be used for IN2 examples."""


class TokenizerMismatch(TokenizerError):
    """A dataset was built with a tokenizer or template other than the one it is used with."""


class EndpointError(In2Error):
    """A language model is no longer available; answers so far are in the work log."""


class WorkLogError(In2Error):
    """The work log cannot be read or written: disk full, read-only, damaged, or a newer version."""


class FolderLocked(In2Error):
    """Another process holds the dataset folder; names it."""


class SpendingStopped(In2Error):
    """A build would pay for more calls than its limits allow, or for answers that are of no use; all is kept."""


class NotEnoughQuestions(In2Error):
    """Fewer questions than the mixture asks for could be written from the corpus."""


class NotEnoughSegments(In2Error):
    """A context cannot be filled to its length without reusing or repeating text."""


class NotEnoughInstructions(In2Error):
    """Fewer conversations than the mixture asks for could be read from the instruction datasets."""


class WorkerDied(In2Error):
    """A worker process was killed, usually out of memory."""


class ShardsMissing(In2Error):
    """Shards to be merged are missing; names the stage and the first of them."""


class ArrayJobDone(In2Error):
    """One of several jobs has finished its share; the command line reports success."""


class AuditFailed(In2Error):
    """A dataset breaks a bound of the audit; names the figure and the bound."""


class DatasetError(In2Error):
    """A dataset folder is missing, half-built or damaged."""


class HubError(In2Error):
    """The hub rejects an upload: not logged in, no permission, not reachable."""


class ModelError(In2Error):
    """A base model cannot be downloaded or converted, or its folder is damaged."""


class ProbeError(In2Error):
    """A VAL probe cannot be built from the given pieces and options."""


class PromptTooLong(ProbeError):
    """A probe prompt does not fit the window of the model; probes are never truncated."""


class ReportError(In2Error):
    """Evaluation results are missing, or are not comparable with each other."""


class DemoFailed(In2Error):
    """A command of the demo failed, or did not write what it should; finished stages are kept."""


def one_line(error: object, limit: int = 300) -> str:
    """Return the text of an error on one line, cut after `limit` characters; its class name if it has no text."""
    text = " ".join(str(error).split())
    if not text and isinstance(error, BaseException):
        return type(error).__name__
    return text if len(text) <= limit else f"{text[:limit]}..."
