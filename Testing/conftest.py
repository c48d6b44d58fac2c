"""Fixtures shared by all tests."""

import signal
from pathlib import Path

import pytest

from skullstrip import pipeline
from skullstrip.cli.main import main
from Testing.image_files import assert_one_sentence, save_head
from Testing.stand_ins import ThresholdEngine, write_stand_in_weights

# Where pytest itself runs in the background of a script, or under nohup, these are ignored, and so
# they would be in the processes that tests start and end by them. A handler is not inherited.
for name in ("SIGINT", "SIGQUIT", "SIGHUP"):
    number = getattr(signal, name, None)
    if number is not None and signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if name == "SIGINT" else lambda *_: None)

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items):
    """Begin with the slow tests, so that of two processes none waits for the other's last."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def shared_data():
    """Return the folder of development scans; tests that want it are skipped where it is absent."""
    if not (SHARED_DATA / "MANIFEST.csv").is_file():
        pytest.skip(f"the development data are not at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def stand_in_weights(tmp_path_factory):
    """Folder with a manifest and weights that only stand-in engines can run."""
    return write_stand_in_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def stand_in(monkeypatch, stand_in_weights):
    """Let commands run the stand-in network; returns the arguments that choose its weights."""
    monkeypatch.setattr(pipeline, "create_engine", lambda *_: ThresholdEngine())
    return ["--weights", str(stand_in_weights)]


@pytest.fixture
def refused(capsys):
    """Runs a command that must be refused in one sentence, which it returns."""

    def call(*words, command=main):
        capsys.readouterr()
        assert command([*map(str, words)]) == 2
        output, error = capsys.readouterr()
        assert output == ""
        assert_one_sentence(error)
        return error

    return call


@pytest.fixture
def scan(tmp_path):
    """T1.nii.gz in a folder of its own."""
    return save_head(tmp_path / "T1.nii.gz", "LPS", (3.0, 3.0, 3.0))
