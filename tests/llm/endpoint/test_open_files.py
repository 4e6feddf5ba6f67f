import resource

import pytest

from in2_plugin.errors import ConfigError
from in2_plugin.llm.endpoint.open_files import OTHER_FILES, raise_open_files_limit


def test_the_soft_limit_is_raised_for_the_connections():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (600, before[1]))
        raise_open_files_limit(300)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 600
        raise_open_files_limit(500)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (500 + OTHER_FILES, before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_more_connections_than_the_hard_limit_are_rejected():
    with pytest.raises(ConfigError, match=r"4,000,000,000 connections at once .* raise `ulimit -Hn`"):
        raise_open_files_limit(4_000_000_000)
