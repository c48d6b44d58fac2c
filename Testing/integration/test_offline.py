"""Nothing leaves the machine: the whole job runs with sockets blocked.

Python's own sockets are blocked by an audit hook, which no library can take off again. Native code
is watched by strace and cut off by `unshare --net`, each where it is there and allowed. TensorFlow
imports urllib3, which binds a socket to ::1 to see whether there is IPv6; that reaches nobody.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import SkullStripLib
from Testing.image_files import names

LIBRARY = Path(SkullStripLib.__file__).resolve().parents[1]
# Runs a module as a program, and ends the process when anything reaches for the network.
GUARD = """
import os, runpy, sys
def guard(event, arguments):
    if event.startswith(("socket.connect", "socket.getaddrinfo", "socket.gethost", "socket.send",
                         "urllib.Request", "http.client", "ftplib", "smtplib")):
        os.write(2, f"NETWORK {event} {arguments}\\n".encode())
        os._exit(77)
sys.addaudithook(guard)
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
GUARDED = (sys.executable, "-c", GUARD)
INTERNET = re.compile(r"\b(?:connect|sendto|sendmsg)\(.*AF_INET.*")


def isolation() -> tuple[str, ...]:
    """The words in front of a command that leave it without a network, if that is allowed."""
    command = ("unshare", "--net")
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return ()
    return command


def watch(log: Path) -> tuple[str, ...]:
    """The words in front of a command that log its network calls, if that is allowed."""
    command = ("strace", "-f", "-qq", "-e", "trace=network", "-o", str(log))
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return ()
    return command


def run_offline(folder, engine, *words):
    """Run a module with every way out closed or watched; nothing may have tried one."""
    log = folder / "strace.log"
    watched = watch(log) if engine == "onnxruntime" else ()  # TensorFlow takes a minute under it
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    done = subprocess.run(
        [*isolation(), *watched, *GUARDED, *map(str, words)],
        capture_output=True,
        text=True,
        env=environment | {"PYTHONPATH": str(LIBRARY), "HOME": str(folder)},
        check=False,
    )
    assert "NETWORK" not in done.stderr
    tried = INTERNET.findall(log.read_text()) if log.exists() else []
    assert tried == []
    return done


def test_the_guard_ends_what_reaches_for_the_network(tmp_path):
    (tmp_path / "reach.py").write_text("import socket; socket.getaddrinfo('localhost', 80)")
    done = subprocess.run(
        [*GUARDED, "reach"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 77
    assert "NETWORK socket.getaddrinfo" in done.stderr


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_the_watch_sees_what_python_does_not(tmp_path):
    if not watch(tmp_path / "log"):
        pytest.skip("strace is not allowed here")
    program = "import socket; socket.socket(type=socket.SOCK_DGRAM).connect(('127.0.0.1', 9))"
    subprocess.run([*watch(tmp_path / "log"), sys.executable, "-c", program], check=True)
    assert INTERNET.search((tmp_path / "log").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["onnxruntime", "tensorflow"])
def test_the_whole_command_needs_no_network(tmp_path, scan, engine):
    extras = ["--qc", tmp_path / "qc.png", "--json", tmp_path / "r.json"]
    done = run_offline(tmp_path, engine, "SkullStripLib.cli", scan, "--engine", engine, *extras)
    assert done.returncode == 0, done.stderr
    assert {"T1_brain.nii.gz", "T1_brain_mask.nii.gz", "qc.png", "r.json"} <= set(names(tmp_path))
    assert json.loads((tmp_path / "r.json").read_text())["engine"] == engine


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["onnxruntime", "tensorflow"])
def test_slicers_child_needs_no_network(tmp_path, scan, engine):
    files = [{"input": str(scan), "mask": str(tmp_path / "m.nii.gz")}]
    request = {"task": "files", "files": files, "options": {"engine": engine}}
    (tmp_path / "request.json").write_text(json.dumps(request))
    done = run_offline(tmp_path, engine, "SkullStripLib.child", tmp_path / "request.json")
    assert done.returncode == 0, done.stderr
    assert '"state": "done"' in done.stdout, done.stdout
    assert "m.nii.gz" in names(tmp_path)
