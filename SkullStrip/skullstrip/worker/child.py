"""The program behind a graphical face: one request in, lines of JSON out.

`python -m skullstrip.worker.child request.json` runs the network in a process of its own, where a
crash of a native library harms nobody. The request is a JSON object::

    {"task": "volume", "input": "in.npz", "output": "out.npz", "options": {"views": 1},
     "confidence": true}
    {"task": "batch", "source": "IN", "out": "OUT", "options": {}}

With "applied", the path of a scan with a mask, and "verdict", that mask's, a volume gets that mask,
as by `apply_brain`. With "confidence" the output holds that map, too; options are those of
`Options.to_json`.
Every event is one line on stdout: `MARK` and a JSON object with the key "event", which is
"started", "progress", "result" or "error"; for a batch also what `batch.progress` tells, "start",
"scan" and "end". The exit status is the command's: 0, 1, 2, 130; a batch in which scans failed has
done its work, 0. The process ends by itself when its request file is removed or its parent is gone.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import NO_MEMORY, Cancelled, InputError, SkullStripError, is_out_of_memory
from ..io.process import require_memory
from ..io.temporary import end_unwritten
from ..options import Options

MARK = "@skullstrip "
WATCH_SECONDS = 0.25
TASKS = {"volume": ("input", "output"), "batch": ("source", "out")}  # each with its paths

Emit = Callable[[dict[str, Any]], None]


def main(argv: Sequence[str] | None = None) -> int:
    """Serve one request.

    Parameters
    ----------
    argv : sequence of str, optional
        The request's path; the process's own arguments by default.

    Returns
    -------
    int
        The exit status.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    request_path = Path(arguments[0]) if arguments else Path("request.json")
    with suppress(AttributeError, PermissionError):  # Windows; a leader of a session, which has one
        os.setpgrp()  # so that whoever started this can end it with everything it starts
    with event_stream() as emit:
        emit({"event": "started", "pid": os.getpid()})
        try:
            require_memory()
            request = read_request(request_path)
            watch(request_path, request.get("parent_pid"))
            return _serve(request, emit)
        except SkullStripError as error:
            return _fail(emit, str(error), error.exit_code)
        except Exception as error:  # noqa: BLE001  (the last resort: a sentence, no traceback)
            if is_out_of_memory(error):
                return _fail(emit, NO_MEMORY, 1)
            message = " ".join(f"{type(error).__name__}: {error}".split())
            return _fail(emit, message, 1)


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


def read_request(path: Path) -> dict[str, Any]:
    """Read the request; raise InputError where it cannot be read, or asks for something unknown."""
    try:
        request = json.loads(path.read_text(encoding="utf-8"))
        Options.from_json(request.get("options", {}))
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise InputError(f"The request '{path}' cannot be read ({error}).") from error
    if request.get("task") not in tuple(TASKS):
        raise InputError(
            f"The task '{request.get('task')}' is unknown; use one of {', '.join(TASKS)}."
        )
    if not all(isinstance(request.get(path), str) for path in TASKS[request["task"]]):
        raise InputError("The request's paths must be texts.")
    if not isinstance(request.get("confidence"), bool | None):
        raise InputError("The request's confidence must be true or false.")
    if not isinstance(request.get("applied"), str | None):
        raise InputError("The request's mask must be a path.")
    if not isinstance(request.get("parent_pid"), int | None):
        raise InputError("The request's parent_pid must be a number.")
    return dict(request)


@contextmanager
def event_stream() -> Iterator[Emit]:
    """Give a function that writes events to stdout, where nothing else is written meanwhile.

    What libraries print goes to stderr.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    lock = threading.Lock()
    with os.fdopen(kept, "w", encoding="utf-8", closefd=False) as stream:

        def emit(event: dict[str, Any]) -> None:
            with lock:
                stream.write(f"{MARK}{json.dumps(event)}\n")
                stream.flush()

        try:
            yield emit
        finally:
            sys.stdout.flush()
            os.dup2(kept, 1)
            os.close(kept)


def watch(request_path: Path, parent_pid: int | None) -> None:
    """End this process once nobody waits for it, from a thread of its own."""

    def look() -> None:
        pause = threading.Event()
        while request_path.exists() and _is_alive(parent_pid):
            pause.wait(WATCH_SECONDS)
        end_unwritten(Cancelled.exit_code)

    threading.Thread(target=look, daemon=True).start()


def _is_alive(pid: int | None) -> bool:
    """Return whether a process exists; on Windows the request file tells (signal 0 would kill)."""
    if pid is None or os.name == "nt":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _serve(request: dict[str, Any], emit: Emit) -> int:
    serve = _serve_volume if request["task"] == "volume" else _serve_batch
    serve(request, Options.from_json(request.get("options", {})), emit)
    return 0


def _serve_volume(request: dict[str, Any], options: Options, emit: Emit) -> None:
    from ..apply import apply_brain, of_mask
    from ..io.volume_archive import Extracted, read_mask, read_volume, write_extracted
    from ..pipeline import extract_brain
    from ..report import carrying, report

    def progress(stage: str, done: int, total: int) -> None:
        emit({"event": "progress", "stage": stage, "done": done, "total": total})

    source, target = Path(request["input"]), Path(request["output"])
    volume = read_volume(source)
    if applied := request.get("applied"):
        given = of_mask(
            read_volume(Path(applied)), read_mask(Path(applied)), request.get("verdict", "")
        )
        result = apply_brain(given, volume.array, volume.affine, options, progress=progress)
    else:
        result = extract_brain(volume.array, volume.affine, options, progress=progress)
    confidence = result.brain_confidence if request.get("confidence") else None
    write_extracted(target, Extracted(result.brain_mask, result.brain_probability, confidence))
    content = report(result, options, inputs=[source], outputs=[{}])
    if applied:
        content |= carrying(result)
    emit({"event": "result", "report": content})


def _serve_batch(request: dict[str, Any], options: Options, emit: Emit) -> None:
    from ..batch.options import BatchOptions
    from ..batch.run import Source, run_batch

    source, out = Source(request["source"]), Path(request["out"])
    run_batch(source, out, BatchOptions(options), on_event=emit)
    emit({"event": "result", "report": {}})


def _fail(emit: Emit, message: str, status: int) -> int:
    emit({"event": "error", "message": message, "exit_code": status})
    return status


if __name__ == "__main__":
    sys.exit(main())
