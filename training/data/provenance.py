"""Where a model comes from: commit, configuration, versions, data and machine, as ``run.json``."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from skullstrip.batch.records import sha256_of
from skullstrip.errors import InputError

from .pair import Pair

REPOSITORY = Path(__file__).resolve().parents[2]
CODE = ("SkullStrip", "training", "pyproject.toml", "requirements")  # what decides the outcome
PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "jax", "numpy", "scipy", "nibabel",
            "opencv-python-headless", "onnxruntime")  # fmt: skip


def git(*arguments: str, repository: Path = REPOSITORY) -> str:
    """Return what a git command prints; raise InputError where git or the repository is missing."""
    command = ["git", "-C", str(repository), *arguments]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", "") or str(error)
        raise InputError(f"git cannot describe {repository} ({reason.strip()}).") from error
    return done.stdout.rstrip()


def changed_files(repository: Path = REPOSITORY) -> list[str]:
    """Return the code files that differ from the last commit, new ones too."""
    present = [path for path in CODE if (repository / path).exists()]
    status = git("status", "--porcelain", "--", *present, repository=repository)
    return [line[3:] for line in status.splitlines()]


def refuse_dirty_tree(repository: Path = REPOSITORY) -> None:
    """Raise InputError where the code differs from the commit that `run.json` would name."""
    if changed := changed_files(repository):
        raise InputError(
            f"{len(changed)} files differ from the last commit, {changed[0]} first; "
            "commit them, so that the release can be made again."
        )


def code_state(repository: Path = REPOSITORY) -> dict[str, Any]:
    """Return the commit and what differs from it; unknown outside a git checkout."""
    try:
        commit = git("rev-parse", "HEAD", repository=repository)
        return {"commit": commit, "changed_files": changed_files(repository)}
    except InputError:
        return {"commit": "unknown", "changed_files": []}


def describe_run(
    config: Mapping[str, Any], pairs: Iterable[Pair], repository: Path = REPOSITORY
) -> dict[str, Any]:
    """Describe a training run or a release, with all files' hashes, as plain data for JSON."""
    import psutil

    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    processor = platform.processor()
    with suppress(OSError):  # Linux tells more
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        processor = next(iter(models), processor)
    return {
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **code_state(repository),
        "seed": config.get("seed"),
        "config": dict(config),
        "versions": versions,
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processor": processor,
            "processors": os.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        },
        "data": [describe_pair(pair) for pair in pairs],
    }


def describe_pair(pair: Pair) -> dict[str, str]:
    """Return a scan's name, split, origin and hashes, no path: paths tell about people."""
    return {
        "scan": pair.name,
        "split": pair.split,
        "dataset": pair.dataset,
        "licence": pair.licence,
        "image_sha256": sha256_of(pair.image),
        "mask_sha256": sha256_of(pair.mask),
    }
