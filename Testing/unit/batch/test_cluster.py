"""How many workers fit on a machine, and what is said when Dask is missing."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import pytest

from skullstrip.batch import cluster
from skullstrip.errors import EngineError

psutil = pytest.importorskip("psutil")
pytest.importorskip("distributed")


@pytest.mark.parametrize(
    ("processors", "free_gb", "scans", "jobs"),
    [
        (8, 64, 100, 8),  # as many as processors
        (8, 2.5, 100, 3),  # as memory allows
        (8, 0.1, 100, 1),  # never none
        (8, 64, 3, 3),  # no more than there is to do
    ],
)
def test_workers_are_as_many_as_processors_memory_and_scans_allow(
    monkeypatch, processors, free_gb, scans, jobs
):
    monkeypatch.setattr(cluster, "available_threads", lambda: processors)
    memory = SimpleNamespace(available=free_gb * 1e9)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr("distributed.system.MEMORY_LIMIT", 256e9)
    assert cluster.default_jobs(scans) == jobs


def test_the_limit_of_a_container_counts_too(monkeypatch):
    monkeypatch.setattr(cluster, "available_threads", lambda: 8)
    monkeypatch.setattr("distributed.system.MEMORY_LIMIT", 1.7e9)
    assert cluster.default_jobs(100) <= 2


@pytest.mark.parametrize(("processors", "jobs", "threads"), [(8, 2, 4), (8, 3, 2), (2, 4, 1)])
def test_workers_share_the_processors(monkeypatch, processors, jobs, threads):
    monkeypatch.setattr(cluster, "available_threads", lambda: processors)
    assert cluster.threads_each(jobs) == threads


def test_a_missing_dask_is_told_with_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "dask" or None)
    with pytest.raises(EngineError, match=r"needs distributed; use 'pip install .*\[batch\]"):
        cluster.require_dask()
