"""Stand-ins for the child's program: real processes that do what a test wants instead of a network.

`script_process` runs Python code in a real process.
"""

import sys
import time
from pathlib import Path
from textwrap import indent

import slicer

from SkullStripSlicer.child_process import ChildProcess
from SkullStripSlicer.logic import StripLogic
from Testing.programs import LIBRARY

# Reads the request, and has `emit` for events.
_PRELUDE = f"""
import json, os, sys, time
sys.path.insert(0, {str(LIBRARY)!r})
from pathlib import Path
from types import SimpleNamespace
from skullstrip.worker.child import MARK
from skullstrip.io.volume_archive import read_volume, write_arrays
request = json.loads(sys.stdin.readline())
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
from skullstrip.mask.postprocess import solid_mask
mask = solid_mask(brain.astype(np.float32))
maps = {
    "brain_probability": brain.astype(np.float32),
    "brain_confidence": np.where(brain, 0.75, 0.5).astype(np.float32),
}
write_arrays(Path(request["output"]), [mask, *(maps[name] for name in request["maps"])])
emit(event="result", report={"engine": "stand-in", "checks": []})
"""

# The same, then waits for the next request.
STAYING = (
    "while True:\n"
    + indent(THRESHOLD.replace("report={", "stays=True, report={"), "    ")
    + "    request = json.loads(sys.stdin.readline())\n"
)

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


# Carries a mask as the real child does, without a look of the network's; else finds the brain.
APPLYING = (
    """
if request.get("applied"):
    from skullstrip import InputError, apply
    from skullstrip.worker import child
    apply._own_look = lambda *_: InputError("no network runs in this test")
    child._loaded = lambda *_: SimpleNamespace(name="none", device="cpu", predict=None)
    sys.exit(child.answer(json.dumps(request).encode(), lambda event: emit(**event)))
"""
    + THRESHOLD
)


def logicOf(*scripts):
    """A logic whose children are these, one after the other; None is one that cannot be made."""
    following = iter(scripts)

    def make():
        script = next(following)
        if script is None:
            raise ValueError("No process.")
        return script_process(script)()

    return StripLogic(make)


def is_running(pid):
    """Whether a process still runs; one that waits to be collected does not (Linux)."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rsplit(")", 1)[1].split()[0] not in ("Z", "X")


def wait_for(condition, seconds=120.0):
    """Let Slicer's events happen until something is true."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        slicer.app.processEvents()
        time.sleep(0.01)
    return bool(condition())


def script_process(script):
    """A process factory for `StripLogic`: runs a script in the place of the child."""
    command = [sys.executable, "-c", _PRELUDE + script]
    return lambda: ChildProcess(lambda: command)


def writePythonSlicer(folder, script):
    """A program `PythonSlicer` that runs Python, or a script in the place of the child."""
    program = folder / "PythonSlicer"
    if script is None:
        program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    else:
        (folder / "child.py").write_text(_PRELUDE + script)
        program.write_text(f"#!/bin/sh\nexec {sys.executable} {folder}/child.py\n")
    program.chmod(0o755)
