"""The program behind a graphical face: requests in, events out, each a line of JSON.

`python -m skullstrip.worker.child` runs the network in a process of its own, where a crash of a
native library harms nobody. Every line on stdin is a request, a JSON object::

    {"task": "volume", "input": "in.npy", "output": "out.npy", "options": {"views": 1},
     "maps": ["brain_confidence"]}
    {"task": "batch", "source": "IN", "out": "OUT", "options": {}}

With "applied", the path of a scan with a mask, and "verdict", that mask's, a volume gets that mask,
as by `apply_brain`. The output holds the mask, then those "maps" of `BrainExtraction`; options are
those of `Options.to_json`.
Every event is one line on stdout: `MARK` and a JSON object with the key "event", which is
"started", "progress", "result" or "error"; for a batch also what `batch.run` tells, "start",
"scan" and "end". After a result that "stays" the process waits for the next request, with the
network loaded and nothing of the scan; the memory is the system's again after a minute. Otherwise
it ends; it never waits with a GPU. The exit status is the command's: 0, 1, 2, 130; a batch in which
scans failed has done its work, 0. When stdin ends, nobody waits any more, and the process ends at
once, whatever it does.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from ..errors import NO_MEMORY, Cancelled, InputError, SkullStripError, is_out_of_memory
from ..io.atomic import end_unwritten
from ..io.process import (
    import_scipy,
    keep_memory,
    listen,
    own_streams,
    require_memory,
    start_lean,
)
from ..options import Options

if TYPE_CHECKING:
    from ..network.engine import Engine

MARK = "@skullstrip "
TASKS = ("volume", "batch")
LARGEST_KEPT = 2**27  # bytes of an array; of a head at 1 mm the largest has 2**26
KEPT_SECONDS = 60  # of memory, which takes 0.1 to 0.2 s of a request to get anew

Emit = Callable[[dict[str, Any]], None]


def main() -> int:
    """Serve requests; return the exit status."""
    start_lean()
    keep_memory(LARGEST_KEPT)
    with suppress(AttributeError, PermissionError):  # Windows; a leader of a session, which has one
        os.setpgrp()  # so that whoever started this can end it with everything it starts
    done = threading.Event()
    requests, events = own_streams()

    def emit(event: dict[str, Any]) -> None:
        if event["event"] == "error" or (event["event"] == "result" and not event.get("stays")):
            done.set()  # whoever hears this may close stdin; the exit status stays the answer's
        events.write(f"{MARK}{json.dumps(event)}\n".encode())  # whole, from whatever thread
        events.flush()

    def end() -> None:
        if not done.is_set():
            end_unwritten(Cancelled.exit_code)

    asked = listen(requests, end)
    while (status := answer(following(asked), emit)) is None:
        pass
    return status


def following(asked: SimpleQueue[bytes]) -> bytes:
    """Return the next request; the memory of the last one is kept for it, for a while."""
    try:
        return asked.get(timeout=KEPT_SECONDS)
    except Empty:
        give_memory_back()
        return asked.get()


def answer(line: bytes, emit: Emit) -> int | None:
    """Serve one request; return the exit status, or None where the process stays."""
    emit({"event": "started", "pid": os.getpid()})
    try:
        require_memory()
        import_scipy()
        request, options = read_request(line)
        serve = _serve_volume if request["task"] == "volume" else _serve_batch
        return None if serve(request, options, emit) else 0
    except SkullStripError as error:
        return _fail(emit, str(error), error.exit_code)
    except Exception as error:  # noqa: BLE001  (the last resort: a sentence, no traceback)
        if is_out_of_memory(error):
            return _fail(emit, NO_MEMORY, 1)
        message = " ".join(f"{type(error).__name__}: {error}".split())
        return _fail(emit, message, 1)


def give_memory_back() -> None:
    """Let the system have what is free again, which glibc keeps for later."""
    with suppress(AttributeError, OSError, TypeError):  # another library; Windows
        ctypes.CDLL(None).malloc_trim(0)


def parse_event(line: str) -> dict[str, Any] | None:
    """Return the event in a line of the child's output, or None for anything else."""
    _, mark, text = line.partition(MARK)
    if not mark:
        return None
    try:
        event = json.loads(text)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def read_request(line: bytes) -> tuple[dict[str, Any], Options]:
    """Read a request; raise InputError where it cannot be read, or asks for something unknown."""
    try:
        request = json.loads(line)
        options = Options.from_json(request.get("options", {}))
        if request["task"] in TASKS:
            return request, options
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError) as error:
        raise InputError(f"The request cannot be read ({error}).") from error
    raise InputError(f"The task '{request['task']}' is unknown; use one of {', '.join(TASKS)}.")


def _serve_volume(request: dict[str, Any], options: Options, emit: Emit) -> bool:
    from ..apply import apply_brain, of_mask
    from ..io.volume_archive import read_mask, read_volume, write_arrays
    from ..network.engines import ONNX_RUNTIME
    from ..pipeline import engine_checks, extract_brain
    from ..report import overlap_and_alignment, report

    def progress(stage: str, done: int, total: int) -> None:
        emit({"event": "progress", "stage": stage, "done": done, "total": total})

    source, target = Path(request["input"]), Path(request["output"])
    volume = read_volume(source)
    progress("load", 0, 0)
    engine = _engine(options)
    asked: dict[str, Any] = {"engine": engine, "progress": progress}
    if applied := request.get("applied"):
        given = of_mask(
            read_volume(Path(applied)), read_mask(Path(applied)), request.get("verdict", "")
        )
        result = apply_brain(given, volume.array, volume.affine, options, **asked)
    else:
        result = extract_brain(volume.array, volume.affine, options, **asked)
    maps = [getattr(result, name) for name in request.get("maps", [])]
    write_arrays(target, [result.brain_mask, *maps])
    content = report(result, options, inputs=[source], outputs=[{}])
    if applied:
        content |= overlap_and_alignment(result)
    # Another engine keeps its threads and may hold a GPU; so may one that gave up on it.
    stays = engine.name in ONNX_RUNTIME and engine.device == "cpu" and not engine_checks(engine)
    emit({"event": "result", "report": content, "stays": stays})
    return stays


def _engine(options: Options) -> Engine:
    """Return the network, still loaded where it was the last request's."""
    from ..network.manifest import load_manifest

    manifest, _ = load_manifest(options.weights)  # other weights may have come to the same place
    return _loaded(options.runtime(), manifest.to_json())


@lru_cache(maxsize=1)
def _loaded(runtime: Options, _manifest: str) -> Engine:
    from ..pipeline import load_engine

    return load_engine(runtime)


def _serve_batch(request: dict[str, Any], options: Options, emit: Emit) -> bool:
    from ..batch.options import BatchOptions
    from ..batch.run import run_batch

    run_batch(request["source"], Path(request["out"]), BatchOptions(options), on_event=emit)
    emit({"event": "result", "report": {}})
    return False


def _fail(emit: Emit, message: str, status: int) -> int:
    emit({"event": "error", "message": message, "exit_code": status})
    return status


if __name__ == "__main__":
    sys.exit(main())
