"""What `make release` refuses before it builds, and the documentation's links."""

import pytest

from scripts.docs_links import on_page_markdown
from scripts.release import require_one_version
from skullstrip.errors import InputError
from Testing.programs import ROOT, run_python


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
