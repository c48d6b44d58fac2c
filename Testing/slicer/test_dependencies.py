"""Packages: what is missing, the question, declining, failing, the record of what was installed.

Versions come from real metadata in a folder on `sys.path`; pip is a stand-in that writes such
metadata, since a test must not change the environment that it runs in.
"""

import re
import subprocess

import pytest
import slicer

from skullstrip.errors import EngineError, InputError
from Testing.programs import ROOT

NAMES = ("ourfirst", "oursecond")


def metadata_of(folder, name, version):
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.fixture
def dependencies(qapp, tmp_path, monkeypatch):
    """The module, asking for two packages that no registry has."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    from SkullStripSlicer import dependencies

    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# a comment\nourfirst>=1.18\noursecond>=2.0  # why\n")
    monkeypatch.setattr(dependencies, "REQUIREMENTS", requirements)
    calls = []

    def pip_install(arguments):
        calls.append(arguments)
        for name in NAMES:
            if any(argument.startswith(name) for argument in arguments):
                metadata_of(site, name, "9.0")
        metadata_of(site, "broughtalong", "1.0")

    monkeypatch.setattr(slicer.util, "pip_install", pip_install)
    dependencies.calls, dependencies.site = calls, site
    return dependencies


@pytest.mark.parametrize(
    ("version", "isMet"),
    [("1.18", True), ("1.18.0", True), ("1.9", False), ("2.0rc1", True), ("1.17.9", False)],
)
def test_versions_are_compared_as_numbers(dependencies, version, isMet):
    metadata_of(dependencies.site, "ourfirst", version)
    assert ("ourfirst>=1.18" not in dependencies.missing()) is isMet


def test_nothing_is_asked_when_nothing_is_missing(dependencies):
    for name in NAMES:
        metadata_of(dependencies.site, name, "9.0")
    dependencies.ensure(lambda _: pytest.fail("asked"))
    assert dependencies.calls == []


def test_the_question_names_packages_and_size_and_installs_only_what_is_missing(dependencies):
    metadata_of(dependencies.site, "ourfirst", "1.20")
    asked = []
    dependencies.ensure(lambda text: asked.append(text) or True)
    assert "oursecond>=2.0" in asked[0]
    assert "ourfirst" not in asked[0]
    assert "45 MB" in asked[0]
    assert dependencies.calls == [["--only-binary", ":all:", "oursecond>=2.0"]]
    assert dependencies.installedByUs() == ["broughtalong", "oursecond"]


def test_a_folder_of_wheels_takes_the_place_of_the_network(dependencies, tmp_path):
    dependencies.ensure(lambda _: True, wheels=str(tmp_path))
    assert dependencies.calls[0][:3] == ["--no-index", "--find-links", str(tmp_path)]
    assert dependencies.missing() == []


def test_only_what_was_brought_is_removed(dependencies, monkeypatch):
    metadata_of(dependencies.site, "ourfirst", "1.20")
    dependencies.ensure(lambda _: True)
    removed = []

    def pip_uninstall(name):
        removed.append(name)
        next(dependencies.site.glob(f"{name}-*")).joinpath("METADATA").unlink()
        next(dependencies.site.glob(f"{name}-*")).rmdir()

    monkeypatch.setattr(slicer.util, "pip_uninstall", pip_uninstall)
    dependencies.remove()
    assert removed == ["broughtalong", "oursecond"]
    assert dependencies.installedByUs() == []


def test_declined_or_failed_is_one_error_with_advice(dependencies, monkeypatch):
    with pytest.raises(InputError, match="nowhere"):
        dependencies.ensure(lambda _: True, wheels="nowhere")
    with pytest.raises(EngineError, match="nothing was installed"):
        dependencies.ensure(lambda _: False)
    assert dependencies.calls == dependencies.installedByUs() == []

    def fail(_):
        raise subprocess.CalledProcessError(1, "pip")

    monkeypatch.setattr(slicer.util, "pip_install", fail)
    with pytest.raises(EngineError, match="could not be installed"):
        dependencies.ensure(lambda _: True)


def test_the_real_requirements_are_lower_bounds_of_what_command_and_batch_need():
    lines = (ROOT / "SkullStrip/Resources/requirements.txt").read_text().splitlines()
    ours = {line for line in lines if line and not line.startswith("#")}
    assert all(re.fullmatch(r"[a-z0-9]+>=[\d.]+", line) for line in ours)
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(f'"{line}"' in pyproject for line in ours)
    extra = re.search(r"^batch = \[([^]]*)\]", pyproject, re.MULTILINE)[1]
    assert set(re.findall(r'"([^"]+)"', extra)) <= ours
