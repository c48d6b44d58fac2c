"""Stand-ins for the child's program: real processes that do what a test wants instead of a network.

`script_process` runs Python code in a real process, through `PipeProcess`.
"""

import queue
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from textwrap import indent

import slicer

from SkullStripSlicer import child_process
from SkullStripSlicer.logic import StripLogic

LIBRARY = Path(__file__).resolve().parents[2] / "SkullStrip"

# Reads the request, and has `emit` for events.
_PRELUDE = f"""
import json, os, sys, time
sys.path.insert(0, {str(LIBRARY)!r})
from pathlib import Path
from types import SimpleNamespace
from skullstrip.worker.child import MARK
from skullstrip.io.volume_archive import Extracted, read_volume, write_extracted
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
from skullstrip.mask.postprocess import brain_mask_from_probability
mask = brain_mask_from_probability(brain.astype(np.float32), volume.spacing_mm)
confidence = np.where(brain, 0.75, 0.5) if request["confidence"] else None
write_extracted(Path(request["output"]), Extracted(mask, brain.astype(np.float32), confidence))
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


class PipeProcess:
    """In place of `ChildProcess` where no event loop runs; `pump` delivers what a thread read.

    It waits for another request until it is ended.
    """

    def __init__(self, command=child_process.childCommand):
        self._command, self._queue, self.isRunning = command, queue.Queue(), False

    def serve(self, request, onLine, onFinished):
        self._onLine, self._onFinished = onLine, onFinished
        if not self.isRunning:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
            self.isRunning = True
            threading.Thread(target=self._read, daemon=True).start()
        with suppress(BrokenPipeError):  # it reads nothing, or has crashed, and is heard of
            self._process.stdin.write(f"{request}\n")
            self._process.stdin.flush()

    def _read(self):
        with self._process.stdout as stream:
            for line in stream:
                self._queue.put(("line", line.rstrip("\n")))
        self._queue.put(("finished", self._process.wait()))

    def rest(self):
        self._onLine = self._onFinished = lambda _: None

    def pump(self):
        while not self._queue.empty():
            kind, content = self._queue.get_nowait()
            if kind == "line":
                self._onLine(content)
            else:
                self.isRunning = False
                self._onFinished(content)

    def end(self, pid):
        if pid is not None:
            child_process.endProcessTree(pid)
        self._process.kill()
        self._process.wait(child_process.END_SECONDS)


def wait_for(condition, seconds=120.0):
    """Let Slicer's events happen until something is true."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        if getattr(slicer, "app", None) is not None:
            slicer.app.processEvents()
        time.sleep(0.01)
    return bool(condition())


def script_process(script):
    """A process factory for `StripLogic`: runs a script in the place of the child."""
    command = [sys.executable, "-c", _PRELUDE + script]
    return lambda: PipeProcess(lambda: command)


def writePythonSlicer(folder, script):
    """A program `PythonSlicer` that runs Python, or a script in the place of the child."""
    program = folder / "PythonSlicer"
    if script is None:
        program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    else:
        (folder / "child.py").write_text(_PRELUDE + script)
        program.write_text(f"#!/bin/sh\nexec {sys.executable} {folder}/child.py\n")
    program.chmod(0o755)
