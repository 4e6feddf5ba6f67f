import platform
import subprocess
import sys

import pytest

from in2_plugin.inspection.environment import run
from in2_plugin.inspection.environment.run import PackageStatus, examine_environment
from in2_plugin.inspection.environment.tested import TestedVersions

HERE = ".".join(platform.python_version_tuple()[:2])


@pytest.fixture
def sets(monkeypatch, install):
    """One tested set with two hosts, of which the first is installed in its version."""
    install("one-host", "1.0+cpu")
    found = [TestedVersions("a-set", HERE, {"one-host": "1.0", "other-host": "2.0"})]
    monkeypatch.setattr(run, "tested_versions", lambda: found)
    return found


def verdicts(environment):
    return {each.name: each.verdict for each in environment.packages}


def test_installed_versions_of_a_set_are_tested_together(sets):
    found = examine_environment()
    assert verdicts(found)["one-host"] == "tested" and verdicts(found)["other-host"] == "not installed"
    assert (found.tested_set, found.errors) == ("a-set", ())


def test_another_version_is_not_tested(sets, install):
    install("other-host", "2.1")
    found = examine_environment()
    assert verdicts(found)["other-host"] == "not tested" and found.tested_set is None


def test_versions_of_two_sets_are_not_tested_together(sets, install):
    install("other-host", "2.1")
    sets.append(TestedVersions("b-set", HERE, {"one-host": "0.9", "other-host": "2.1"}))
    found = examine_environment()
    assert verdicts(found)["other-host"] == "tested" and found.tested_set is None


def test_another_python_is_not_tested(sets):
    sets[:] = [TestedVersions("a-set", "2.7", {"one-host": "1.0"})]
    found = examine_environment()
    assert found.packages[0] == PackageStatus("python", HERE, ("2.7",)) and found.tested_set is None
    assert verdicts(found)["python"] == "not tested"


def test_what_does_not_fit_together_is_an_error(sets, install):
    install("other-host", "2.0", "one-host>=3")
    (error,) = examine_environment().errors
    assert error.startswith("other-host 2.0 requires one-host>=3, but 1.0+cpu is installed")


def test_a_host_without_a_tested_set_is_not_tested(sets, install):
    install("vllm", "0.40.0")
    assert verdicts(examine_environment())["vllm"] == "not tested"


def test_the_environment_of_the_tests_has_no_errors():
    assert examine_environment().errors == ()


def test_no_host_is_imported():
    code = (
        "import sys; from in2_plugin.inspection.environment.run import examine_environment; examine_environment();"
        "print({'torch', 'transformers', 'datasets', 'axolotl', 'trl', 'numpy', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
