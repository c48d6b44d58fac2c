"""Build wheel and source distribution and check them: what `make release` runs.

A release is refused where tag, version, changelog and citation disagree, where `twine` finds fault,
or where the wheel, alone in a new environment, does not strip a head.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

from skullstrip.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
MADE_HEAD = """
import sys
from Testing.image_files import save
from Testing.phantoms import make_head
head = make_head("PIR", (3.0, 3.0, 3.0))
save(sys.argv[1], head.array, head.affine)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Build and check, and return the exit status."""
    parser = argparse.ArgumentParser(description="Build and check a release in dist/.")
    parser.add_argument("--tag", help="tag of the release, such as v0.2.0")
    options = parser.parse_args(arguments)
    try:
        version = require_one_version(options.tag)
        build()
        try_wheel(next(DIST.glob("*.whl")), version)
    except InputError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    print("\n".join(["Ready in dist/:", *sorted(path.name for path in DIST.iterdir())]))
    return 0


def require_one_version(tag: str | None, root: Path = ROOT) -> str:
    """Return the version; raise InputError where tag, changelog or citation say another."""
    text = (root / "SkullStrip/skullstrip/_version.py").read_text(encoding="utf-8")
    version = re.findall(r'__version__ = "([^"]+)"', text)[0]
    if tag and tag != f"v{version}":
        raise InputError(f"The tag is {tag}, but _version.py says {version}; make them agree.")
    for name, line in {
        "CHANGELOG.md": rf"^## \[{re.escape(version)}\]",
        "CITATION.cff": rf"^version: {re.escape(version)}$",
    }.items():
        if not re.search(line, (root / name).read_text(encoding="utf-8"), re.MULTILINE):
            raise InputError(f"{name} has no entry for {version}; add it.")
    return version


def build() -> None:
    """Fill dist/ with a wheel and a source distribution that `twine` accepts."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", str(DIST), str(ROOT))
    run(sys.executable, "-m", "twine", "check", "--strict", *map(str, DIST.iterdir()))


def try_wheel(wheel: Path, version: str) -> None:
    """Install the wheel with its dependencies in a new environment, and strip a head with it."""
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder) / "environment"
        venv.create(environment, with_pip=True)
        programs = environment / ("Scripts" if sys.platform == "win32" else "bin")
        run(str(programs / "python"), "-m", "pip", "install", "--quiet", str(wheel))
        run(str(programs / "python"), "-m", "pip", "check")
        if version not in run(str(programs / "skullstrip"), "--version"):
            raise InputError(f"The installed command does not say that it is {version}.")
        scan = Path(folder) / "head.nii.gz"
        run(sys.executable, "-c", MADE_HEAD, str(scan))
        run(str(programs / "skullstrip"), str(scan))
        if not (Path(folder) / "head_brain_mask.nii.gz").is_file():
            raise InputError("The installed command wrote no mask.")


def run(*command: str) -> str:
    """Run a program in the repository's top folder and return what it printed.

    Raise InputError with its last words where it failed.
    """
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise InputError(f"'{' '.join(command)}' failed: {' '.join(said)}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
