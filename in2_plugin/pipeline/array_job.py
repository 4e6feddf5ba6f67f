"""Which shards of a stage a run makes: all of them, every n-th as one of the jobs of an array, or none, to merge.

Invariant: what a shard holds does not depend on the portion; a run that leaves shards open ends before its stage does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from in2_plugin.errors import ArrayJobDone, ConfigError, ShardsMissing


@dataclass(frozen=True, slots=True)
class Portion:
    """Share `number` of `of`, counted from 1; `number` 0 makes nothing and merges."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> "Portion":
        """Read `3/16`.

        Raises:
            ConfigError: it is nothing like that.
        """
        number, slash, of = text.partition("/")
        if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise ConfigError(
                f"`--shard {text}`: give the number of the job and how many there are, from 1/16 to 16/16"
            )
        return cls(int(number), int(of))

    @property
    def is_whole(self) -> bool:
        """Whether this run makes everything."""
        return self.number == 1 == self.of

    @property
    def is_share(self) -> bool:
        """Whether this run is one of the jobs of an array, which leaves all that cannot be shared to others."""
        return self.number > 0 and not self.is_whole

    @property
    def name(self) -> str:
        """For file names: `3-of-16`; empty for a whole run."""
        return f"{self.number}-of-{self.of}" if self.is_share else ""

    def mine(self, shards: Sequence[int]) -> list[int]:
        """Those of some numbered shards that this run makes."""
        return [i for i in shards if self.number and i % self.of == self.number - 1]

    def refuse_missing(self, stage: str, missing: Sequence[int], of: int) -> None:
        """End a job, which leaves the merging of a stage to others, and a run that cannot merge.

        Raises:
            ArrayJobDone: this job's share is done.
            ShardsMissing: the run was to merge, and shards are missing.
        """
        if self.is_share:
            left = f"{len(missing):,} of {of:,} are left for the others" if missing else "all others as well"
            raise ArrayJobDone(
                f"{stage}: the shards of job {self.number} of {self.of} are done, {left}; when all jobs have ended, "
                "run `in2 merge`"
            )
        if missing:
            raise ShardsMissing(
                f"{stage}: {len(missing):,} of {of:,} shards are missing, the first is number {missing[0]}; run "
                "`in2 build --shard i/n` for every i (jobs that ended early go on where they stopped), then "
                "`in2 merge` again"
            )

    def refuse_alone(self, stage: str) -> None:
        """End a job where a stage is to be done by one process.

        Raises:
            ArrayJobDone: there is nothing for this job to do.
        """
        if self.is_share:
            raise ArrayJobDone(f"{stage}: is done by one process; run `in2 merge`")


WHOLE = Portion()
