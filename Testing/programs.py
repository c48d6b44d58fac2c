"""Programs in processes of their own; Python finds the library and the repository there."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "SkullStrip"
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (LIBRARY, ROOT)))}


def run_program(*words, check=False, **options):
    """Run a command to its end; the process that ended, with what it said as text."""
    usual = {"env": ENVIRONMENT, "capture_output": True, "text": True}
    return subprocess.run([*map(str, words)], check=check, **usual | options)


def run_python(*words, **options):
    """Run Python on these words to its end."""
    return run_program(sys.executable, *words, **options)


def start_python(*words, **options):
    """Start Python on these words, its streams pipes of text."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    usual = {"env": ENVIRONMENT, "text": True, **pipes}
    return subprocess.Popen([sys.executable, *map(str, words)], **usual | options)
