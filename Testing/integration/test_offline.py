"""Nothing leaves the machine, and no dependency leaves anything on it.

Single, batch and Slicer's child run in an empty network namespace, watched by strace: a look-up, a
connection, a socket that listens, or a file outside the outputs and the temporary folder fails the
test, however soon the process ends. Home and temporary folder are fresh and must be empty
afterwards. TensorFlow, and pydicom where requests is installed (nibabel imports it), import
urllib3, which binds a socket to ::1 to see whether there is IPv6, and closes it; Keras and
matplotlib keep their settings at home.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
from functools import cache

import pytest

from skullstrip.grid.volume import Volume
from skullstrip.io.images import read_image
from skullstrip.io.volume_archive import write_volume
from Testing.image_files import names
from Testing.programs import LIBRARY, run_program

NETWORK = re.compile(  # but for what urllib3 does to see whether there is IPv6
    r"\b(?:socket\(AF_INET,|listen\(|(?:bind|connect|sendto|sendmsg)"
    r"\((?!.*sin6_port=htons\(0\).*\"::1\").*AF_INET).*"
)
REACHES_OUT = re.compile(r"\b(?:connect|sendto|sendmsg)\(.*AF_INET.*")
WRITES = re.compile(
    r'\b(?:open|openat|creat)\((?:\w+, )?"([^"]*)", \S*(?:O_WRONLY|O_RDWR|O_CREAT)(?!.* = -1)'
    r'|\bmkdir(?:at)?\((?:\w+, )?"([^"]*)"(?!.* = -1)'
)
STRACE = ("strace", "-f", "--seccomp-bpf", "-qq", "-s", "4096", "-e", "trace=network,%file", "-o")


@cache
def watched():
    """The words before a command that take its network away and log its calls into a file."""
    for namespace in (("unshare", "--net"), ("unshare", "--map-root-user", "--net")):
        words = (*namespace, *STRACE)
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            run_program(*words, os.devnull, "true", check=True)
            return words
    pytest.skip("no network namespace can be made here (unshare --net), or strace is not allowed")


def run_offline(folder, *words):
    """Run Python without a network; returns what it did (a process) and what strace saw."""
    log, home, temporary = folder / "strace.log", folder / "home", folder / "tmp"
    home.mkdir()
    temporary.mkdir()
    kept = {
        name: value
        for name, value in os.environ.items()
        if "proxy" not in name.lower() and not name.startswith(("XDG_", "ORT_", "DASK_"))
    }
    own = {"PYTHONPATH": str(LIBRARY), "HOME": str(home), "TMPDIR": str(temporary)}
    done = run_program(*watched(), log, sys.executable, "-B", *words, env=kept | own)
    return done, log.read_text(errors="replace")


def assert_nothing_left(folder, seen, *outputs):
    """No socket of the internet, and no file but in the outputs' folders and the temporary one."""
    assert NETWORK.findall(seen) == []
    places = (*map(str, outputs), str(folder / "tmp"), "/dev/", "/proc/self")
    written = {first or second for first, second in WRITES.findall(seen)}
    assert {path for path in written if not path.startswith(places)} == set()
    assert names(folder / "home") == []
    assert names(folder / "tmp") == []


@pytest.mark.parametrize(
    "reach",
    [
        "socket.create_server(('127.0.0.1', 0))",
        "socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.1', 53))",
        "open(os.path.expanduser('~/id'), 'w').close(); os.remove(os.path.expanduser('~/id'))",
        "os.mkdir(os.path.expanduser('~/.cache'))",
    ],
)
def test_the_watch_sees_look_ups_listeners_and_files_outside(tmp_path, reach):
    (tmp_path / "reach.py").write_text(
        f"import contextlib, os, socket\nwith contextlib.suppress(OSError):\n    {reach}\n"
    )
    done, seen = run_offline(tmp_path, tmp_path / "reach.py")
    assert done.returncode == 0, done.stderr
    with pytest.raises(AssertionError):
        assert_nothing_left(tmp_path, seen)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["single", "batch"])
def test_the_command_leaves_the_machine_and_the_home_alone(tmp_path, scan, command):
    out = tmp_path / "out"
    words = ["batch", scan, out, "--jobs", "1"]
    if command == "single":
        words = [scan, "-m", out / "T1_brain_mask.nii.gz", "--qc", out / "qc.png"]
        words += ["--json", out / "r.json"]
    done, seen = run_offline(tmp_path, "-m", "skullstrip.cli.main", *words)
    assert done.returncode == 0, done.stderr
    assert (out / "T1_brain_mask.nii.gz").is_file()
    assert_nothing_left(tmp_path, seen, out)


@pytest.mark.slow
def test_slicers_child_leaves_the_machine_and_the_home_alone(tmp_path, scan):
    out = tmp_path / "out"
    out.mkdir()
    image = read_image(scan)
    write_volume(tmp_path / "in.npy", Volume(image.array, image.affine))
    request = {"task": "volume", "input": str(tmp_path / "in.npy"), "output": str(out / "out.npy")}
    caller = (
        "import subprocess, sys\n"
        "pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'text': True}\n"
        "words = [sys.executable, '-m', 'skullstrip.worker.child']\n"
        "with subprocess.Popen(words, **pipes) as child:\n"
        "    print(sys.argv[1], file=child.stdin, flush=True)\n"
        '    ends = (\'"event": "result"\', \'"event": "error"\')\n'
        "    print(next(line for line in child.stdout if any(end in line for end in ends)))\n"
    )
    done, seen = run_offline(tmp_path, "-c", caller, json.dumps(request))
    assert done.returncode == 0, done.stderr
    assert '"event": "result"' in done.stdout, done.stdout
    assert names(out) == ["out.npy"]
    assert_nothing_left(tmp_path, seen, out)


@pytest.mark.slow
def test_tensorflow_reaches_for_nobody(tmp_path, scan):
    done, seen = run_offline(
        tmp_path, "-m", "skullstrip.cli.main", scan, "--engine", "tensorflow", "--views", "1", "-q"
    )
    assert done.returncode == 0, done.stderr
    assert REACHES_OUT.findall(seen) == []
