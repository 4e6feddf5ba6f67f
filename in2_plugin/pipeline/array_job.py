"""Select the shards of a stage that a run makes: all, every n-th in a job of an array, or none in a merge.

Invariant: the content of a shard does not depend on the job that makes it. A run that leaves shards to other jobs ends
before its stage does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from in2_plugin.errors import ArrayJobDone, ConfigError, ShardsMissing


@dataclass(frozen=True, slots=True)
class ArrayJob:
    """Job `number` of `of`, counted from 1; number 0 makes no shards and merges those of the jobs."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> "ArrayJob":
        """Parse `3/16`.

        Raises:
            ConfigError: the text has another form, or the number is out of range.
        """
        number, slash, of = text.partition("/")
        if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise ConfigError(
                f"`--shard {text}`: give the number of the job and the number of jobs, from 1/16 to 16/16"
            )
        return cls(int(number), int(of))

    @property
    def is_whole_build(self) -> bool:
        """True when this run makes every shard."""
        return self.number == 1 == self.of

    @property
    def is_job(self) -> bool:
        """True when this run is one of several jobs, which skip all work that cannot be split."""
        return self.number > 0 and not self.is_whole_build

    @property
    def name(self) -> str:
        """Name for files of this job, like `3-of-16`; empty for a whole build and a merge."""
        return f"{self.number}-of-{self.of}" if self.is_job else ""

    def select(self, shards: Sequence[int]) -> list[int]:
        """Return the shards that this run makes."""
        return [i for i in shards if self.number and i % self.of == self.number - 1]

    def require_all_shards(self, stage: str, missing: Sequence[int], of: int) -> None:
        """End a job after its shards, and a merge that lacks shards.

        Raises:
            ArrayJobDone: this run is a job, and its shards are done.
            ShardsMissing: this run is a merge, and shards are missing.
        """
        if self.is_job:
            left = f"{len(missing):,} of {of:,} are left for other jobs" if missing else "and so are all others"
            raise ArrayJobDone(
                f"{stage}: the shards of job {self.number} of {self.of} are done, {left}; when all jobs have ended, "
                "run `in2 merge`"
            )
        if missing:
            raise ShardsMissing(
                f"{stage}: {len(missing):,} of {of:,} shards are missing, the first is number {missing[0]}; run "
                "`in2 build --shard i/n` for every i (jobs that ended early resume where they stopped), then "
                "`in2 merge` again"
            )

    def end_job(self, stage: str) -> None:
        """End a job at a stage that runs in a single process.

        Raises:
            ArrayJobDone: this run is a job, and has nothing to do in this stage.
        """
        if self.is_job:
            raise ArrayJobDone(f"{stage}: runs in a single process; run `in2 merge`")


WHOLE_BUILD = ArrayJob()
