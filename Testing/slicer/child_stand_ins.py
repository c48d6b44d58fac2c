"""Stand-ins for the child's program: real processes that do what a test wants instead of a network.

`script_process` runs Python code in a real process, through the real `PipeProcess`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from SkullStripSlicer.child_process import PipeProcess

LIBRARY = Path(__file__).resolve().parents[2] / "SkullStrip"

# Reads the request, and has `emit` for events.
_PRELUDE = f"""
import json, os, sys, time
sys.path.insert(0, {str(LIBRARY)!r})
from pathlib import Path
from skullstrip.worker.child import MARK
from skullstrip.io.volume_archive import Extracted, read_volume, write_extracted
request = json.loads(Path(sys.argv[1]).read_text())
def emit(**event):
    print(MARK + json.dumps(event), flush=True)
"""

# A child that finds a brain by intensity, as fast as a test wants.
THRESHOLD = """
import numpy as np
emit(event="started", pid=os.getpid())
volume = read_volume(Path(request["input"]))
emit(event="progress", stage="predict", done=1, total=2)
brain = (volume.array > 28) & (volume.array < 85)
from skullstrip.mask.postprocess import brain_mask_from_probability
mask = brain_mask_from_probability(brain.astype(np.float32), volume.spacing_mm)
confidence = np.where(brain, 0.75, 0.5) if request["confidence"] else None
write_extracted(Path(request["output"]), Extracted(mask, brain.astype(np.float32), confidence))
emit(event="result", report={"engine": "stand-in", "checks": []})
"""

# Starts a child of its own and then waits for ever.
HANGING = """
import subprocess
os.setpgrp()
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path(request["options"]["weights"]).write_text(f"{os.getpid()} {grandchild.pid}")
emit(event="started", pid=os.getpid())
emit(event="progress", stage="predict", done=10, total=100)
time.sleep(600)
"""

# Waits for a file, then finds the brain.
PAUSING = (
    """
emit(event="started", pid=os.getpid())
emit(event="progress", stage="predict", done=10, total=100)
while not Path(request["options"]["weights"]).exists():
    time.sleep(0.01)
"""
    + THRESHOLD
)


class ScriptProcess(PipeProcess):
    """Runs a script with the request's path instead of the command it is given."""

    def __init__(self, script: str) -> None:
        super().__init__()
        self._script = script

    def start(self, command, folder, onLine, onFinished) -> None:
        command = [sys.executable, "-c", _PRELUDE + self._script, command[-1]]
        super().start(command, folder, onLine, onFinished)


def script_process(script: str):
    """A process factory for `StripLogic`."""
    return lambda: ScriptProcess(script)


def writePythonSlicer(folder: Path, script: str | None) -> None:
    """A program `PythonSlicer` that runs Python, or a script in the place of the child."""
    program = folder / "PythonSlicer"
    if script is None:
        program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    else:
        (folder / "child.py").write_text(_PRELUDE + script)
        # The request is the last of the arguments: -c, program, library, request.
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {folder}/child.py "$4"\n')
    program.chmod(0o755)
