"""How many workers fit on a machine, and what is said when a package is missing."""

import importlib.util
from types import SimpleNamespace

import pytest

from skullstrip.batch import local_workers, run
from skullstrip.errors import EngineError

psutil = pytest.importorskip("psutil")


@pytest.mark.parametrize(
    ("processors", "free_gb", "limit_gb", "jobs"),
    [
        (8, 64, 256, 8),  # as many as processors
        (8, 2.5, 256, 3),  # as memory allows
        (8, 64, 1.7, 2),  # and a container
        (8, 0.1, 256, 1),  # never none
    ],
)
def test_workers_are_as_many_as_processors_and_memory_allow(
    monkeypatch, processors, free_gb, limit_gb, jobs
):
    monkeypatch.setattr(local_workers, "available_threads", lambda: processors)
    memory = SimpleNamespace(available=free_gb * 1e9)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(local_workers, "memory_limit", lambda: limit_gb * 1e9)
    assert local_workers.default_jobs() == jobs


def test_a_missing_package_is_told_with_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "dask" or None)
    with pytest.raises(EngineError, match=r"needs distributed; use 'pip install .*\[cluster\]"):
        run.require_packages("tcp://here:1")
    with pytest.raises(EngineError, match=r"needs psutil; use 'pip install .*\[batch\]"):
        run.require_packages(None)
