"""Runs that are killed, starved of disk or crossed by others leave whole files or none.

Most run in a forked process, where some stop at a stage so that something can be done to them, with
`ThresholdEngine` for a network. Everything else, signals and files, is the real thing.
"""

import contextlib
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import nibabel
import numpy as np
import pytest

from skullstrip import pipeline
from skullstrip.cli import progress
from skullstrip.cli.main import main
from skullstrip.io import atomic, images
from skullstrip.io.atomic import TEMPORARY_PREFIX
from Testing.image_files import assert_one_sentence, contents, names, save_head
from Testing.programs import run_program, start_python
from Testing.stand_ins import ThresholdEngine

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")
STAGES = ("check", "load", "prepare", "predict", "restore", "mask", "write")
INSIDE = ("half a file", "between moves")
OUTPUTS = ["T1_brain.nii.gz", "T1_brain_mask.nii.gz"]
NOBODY = 65534
GIVE_UP_SECONDS = 60.0


def start(function):
    """Start a forked process that calls a function and exits with what it returns."""

    def call():
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.stdout = os.fdopen(1, "w", closefd=False)  # pytest's own is elsewhere
        os._exit(function())

    process = multiprocessing.get_context("fork").Process(target=call)
    process.start()
    return process


def run(function):
    """Call a function in a process of its own and return its exit status."""
    return ended(start(function))


def ended(process, seconds=None):
    """Exit status of a process, or minus the signal that ended it."""
    process.join(seconds)
    assert process.exitcode is not None, "the process does not end where it is"
    return process.exitcode


def strip(*arguments):
    """Run the command in this process with the stand-in network."""
    pipeline.create_engine = lambda *_: ThresholdEngine()
    return main([str(argument) for argument in arguments])


def strip_until(stage, *arguments):
    """Start the command in a process that waits at a stage; it, and what lets it go to its end."""
    here, there = multiprocessing.Pipe()

    def pause():
        there.send_bytes(b"there")
        there.recv_bytes()

    def stop_and_strip():
        stop_at(stage, pause)
        return strip(*arguments)

    process = start(stop_and_strip)
    there.close()
    here.recv_bytes()

    def finish():
        with contextlib.suppress(BrokenPipeError):
            here.send_bytes(b"go")
        return ended(process)

    return process, finish


def stop_at(stage, pause):
    """Patch this process, which is forked for the purpose, to pause once."""
    paused = []

    def once():
        if not paused:
            paused.append(True)
            pause()

    @contextlib.contextmanager
    def shown(_=False):
        yield lambda name, *_: once() if name == stage else None

    progress.terminal_progress = shown
    if stage == "half a file":
        write = images._write

        def write_half(path, *rest):
            write(path, *rest)
            os.truncate(path, path.stat().st_size // 2)
            once()
            write(path, *rest)

        images._write = write_half
    if stage == "between moves":
        replace = os.replace

        def replace_and_pause(source, target):
            replace(source, target)
            once()

        atomic.os = type("os", (), {**vars(os), "replace": staticmethod(replace_and_pause)})


@pytest.fixture
def run_command(stand_in_weights, scan):
    """Arguments of a run on the scan."""
    return [scan, "--weights", stand_in_weights]


def is_whole(path):
    """Whether an image can be read to its last voxel."""
    return np.asarray(nibabel.load(path).dataobj).any()


@pytest.mark.parametrize(
    ("stage", "name"),
    [*((stage, "TERM") for stage in STAGES),
     *(("half a file", name) for name in ("INT", "HUP", "QUIT", "USR1", "USR2", "XCPU"))],
)  # fmt: skip
def test_a_terminated_run_ends_where_it_is_and_leaves_nothing(scan, run_command, stage, name):
    process, _ = strip_until(stage, *run_command)
    os.kill(process.pid, getattr(signal, f"SIG{name}"))
    assert (ended(process, GIVE_UP_SECONDS), names(scan.parent)) == (130, ["T1.nii.gz"])


def test_a_run_that_is_terminated_between_moves_is_finished(scan, run_command):
    process, finish = strip_until("between moves", *run_command)
    process.terminate()
    assert (finish(), names(scan.parent)) == (0, ["T1.nii.gz", *OUTPUTS])


def test_a_signal_that_is_ignored_stays_ignored(scan, run_command):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        process, finish = strip_until("predict", *run_command)
    finally:
        signal.signal(signal.SIGHUP, before)
    os.kill(process.pid, signal.SIGHUP)
    assert finish() == 0


@pytest.mark.parametrize("stage", STAGES + INSIDE)
def test_after_a_kill_outputs_are_whole_and_the_next_run_cleans_up(scan, run_command, stage):
    process, _ = strip_until(stage, *run_command)
    process.kill()
    assert ended(process) == -signal.SIGKILL
    left = [name for name in names(scan.parent) if not name.startswith(TEMPORARY_PREFIX)]
    assert set(left) <= {"T1.nii.gz", *OUTPUTS}
    assert all(is_whole(scan.parent / name) for name in left)
    if stage in ("write", *INSIDE):
        assert len(names(scan.parent)) > len(left), "the kill came where a temporary was in use"
    assert run(lambda: strip(*run_command, "--overwrite")) == 0
    assert names(scan.parent) == ["T1.nii.gz", *OUTPUTS]


# Runs the command, says "!" when it reaches what is named, and stays there in one long call of C.
STOP_AT = """
import os, sys, time
event, what = sys.argv[1:3]
def watch(name, arguments):
    if name == event and str(arguments[0]).find(what) >= 0:
        os.write(1, b"!")
        time.sleep(600)
sys.addaudithook(watch)
from skullstrip.cli.main import main
sys.exit(main(sys.argv[3:]))
"""


@pytest.mark.parametrize(
    ("event", "what", "engine"),
    [
        ("import", "onnxruntime.capi", "onnxruntime"),
        ("import", "tensorflow.python", "tensorflow"),
        ("open", "T1_brain.nii.gz", "onnxruntime"),
    ],
)
def test_a_real_process_is_terminated_wherever_it_is(scan, event, what, engine):
    process = start_python("-c", STOP_AT, event, what, scan, "--engine", engine)
    assert process.stdout.read(1) == "!"
    process.terminate()
    _, error = process.communicate()
    assert process.returncode == 130
    assert_one_sentence(error)
    assert names(scan.parent) == ["T1.nii.gz"]


def test_two_commands_at_once_leave_whole_outputs(tmp_path, run_command):
    other = save_head(tmp_path / "other.nii.gz")
    outputs = ["-o", tmp_path / "b.nii.gz", "-m", tmp_path / "m.nii.gz"]
    _, finish_first = strip_until("write", *run_command, *outputs)
    _, finish_second = strip_until("write", other, *run_command[1:], *outputs)
    assert finish_first() == finish_second() == 0
    assert is_whole(tmp_path / "b.nii.gz")
    assert is_whole(tmp_path / "m.nii.gz")


@pytest.mark.parametrize("megabytes", [100, 200, 400, 600])
def test_a_limit_of_memory_that_libraries_hang_or_crash_by_is_one_sentence(scan, megabytes):
    command = (sys.executable, "-m", "skullstrip.cli.main", scan)
    done = run_program("sh", "-c", f'ulimit -v {megabytes * 1000}; exec "$@"', "sh", *command)
    assert done.returncode == 1
    assert_one_sentence(done.stderr)
    assert "ulimit -v" in done.stderr
    assert names(scan.parent) == ["T1.nii.gz"]


@pytest.mark.parametrize("limit", [0, 1, 400, 5_000, 12_000])
def test_a_disk_that_fills_while_writing_leaves_everything_as_it_was(scan, run_command, limit):
    (scan.parent / OUTPUTS[0]).write_text("an older result")
    before = contents(scan.parent)

    def strip_on_a_small_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        qc = ["--qc", scan.parent / "qc.png", "--json", scan.parent / "r.json"]
        return strip(*run_command, *qc, "-p", scan.parent / "p.nii.gz", "--overwrite")

    assert run(strip_on_a_small_disk) == 2
    assert contents(scan.parent) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_of_somebody_else_is_refused(stand_in_weights):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scan = save_head(folder / "T1.nii.gz")
        weights = shutil.copytree(stand_in_weights, folder / "weights")
        for path in (folder, weights):
            path.chmod(0o755)

        def strip_as_nobody():
            os.setuid(NOBODY)
            return strip(scan, "--weights", weights)

        assert run(strip_as_nobody) == 2
        assert names(folder) == ["T1.nii.gz", "weights"]


@pytest.mark.parametrize("what", ["output folder", "input"])
def test_what_vanishes_during_the_run_does_not_keep_it_from_its_end(
    tmp_path, scan, run_command, what
):
    (tmp_path / "out").mkdir()
    _, finish = strip_until("mask", *run_command, "-m", tmp_path / "out" / "m.nii.gz")
    if what == "input":
        scan.unlink()
    else:
        (tmp_path / "out").rmdir()  # it is made again, as one that was not there is made
    assert finish() == 0
    assert is_whole(tmp_path / "out" / "m.nii.gz")


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_streams_harm_nothing(scan, run_command, closed):
    def strip_without_streams():
        for number in closed:
            os.close(number)
        return strip(*run_command)

    assert run(strip_without_streams) == 0
    assert all(is_whole(scan.parent / name) for name in OUTPUTS)


def test_a_summary_that_cannot_be_printed_is_told_and_the_outputs_are_there(scan, run_command):
    def strip_into_a_full_disk():
        os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
        return strip(*run_command)

    assert run(strip_into_a_full_disk) == 1
    assert all(is_whole(scan.parent / name) for name in OUTPUTS)
