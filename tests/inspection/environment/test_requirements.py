from in2_plugin.inspection.environment.requirements import installed_version, is_version, unmet_requirements


def test_versions_are_compared_without_their_local_part():
    assert is_version("2.13.0+cpu", "2.13.0") and is_version("2.13", "2.13.0+cu130")
    assert not is_version("2.13.1", "2.13.0") and not is_version(None, "2.13.0")


def test_a_package_that_is_not_installed_has_no_version_and_no_requirements(install):
    install("one-host", "1.0")
    assert (installed_version("one-host"), installed_version("no-such-host")) == ("1.0", None)
    assert unmet_requirements(["no-such-host", "one-host"]) == []


def test_a_requirement_that_is_not_met_is_one_sentence(install):
    install("one-host", "1.0", "other-host==2.0", "third-host>=3; python_version < '3'", "absent-host")
    install("other-host", "2.1")
    assert unmet_requirements(["one-host", "other-host"]) == [
        "one-host 1.0 requires other-host==2.0, but 2.1 is installed; run `pip install 'other-host==2.0'`",
        "one-host 1.0 requires absent-host, which is not installed; run `pip install 'absent-host'`",
    ]


def test_a_prerelease_and_a_local_version_can_meet_a_requirement(install):
    install("one-host", "1.0", "other-host>=2.0", "third-host==3.0")
    install("other-host", "2.1.dev0")
    install("third-host", "3.0+cpu")
    assert not unmet_requirements(["one-host"])


def test_an_extra_counts_if_its_package_is_a_host_that_is_installed(install):
    needs = (
        "other-host<2; extra == 'other-host'",
        "other-host<1; extra == 'docs'",
        "absent-host<2; extra == 'absent-host'",
    )
    install("one-host", "1.0", *needs, extras=("other-host", "docs", "absent-host"))
    install("other-host", "2.1")
    (sentence,) = unmet_requirements(["one-host", "other-host", "absent-host"])
    assert sentence.startswith("one-host 1.0 requires other-host<2, but 2.1 is installed")
    assert not unmet_requirements(["one-host"]), "it is not one of the hosts"


def test_every_extra_of_ours_counts(install):
    install("deepspeed", "0.99.0")
    (sentence,) = unmet_requirements(["in2-plugin", "deepspeed"])
    assert "requires deepspeed<0.20,>=0.18.6, but 0.99.0 is installed" in sentence
