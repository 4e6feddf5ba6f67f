"""The limit of open files, which the connections of a pool can exceed: the usual one is 1,024 per process."""

import resource

from in2_plugin.errors import ConfigError

OTHER_FILES = 256
"""Open files besides connections: libraries, the work log, the dataset."""


def raise_open_files_limit(connections: int) -> None:
    """Raise this process's limit of open files to hold so many connections.

    Raises:
        ConfigError: the system does not allow as many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + OTHER_FILES
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise ConfigError(
            f"{connections:,} connections at once (addresses of `base_url` times `concurrency`) are more than the "
            f"{hard:,} open files that the system allows; lower `questions.endpoint.concurrency` or raise `ulimit -Hn`"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
