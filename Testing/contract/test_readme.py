"""Targets, extras and files that the README names are there; `test_readme_commands.py` runs it."""

import re
import shlex

import pytest

from Testing.markdown import fenced_blocks


@pytest.fixture(scope="module")
def readme(root):
    """The README, and the pages where its commands go on."""
    pages = (root / "README.md", root / "docs" / "command.md")
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)


def shell_commands(markdown):
    """Words of every command in shell blocks and inline code, comments left out."""
    lines = [line for block in fenced_blocks(markdown, "bash") for line in block.splitlines()]
    inline = re.findall(r"`((?:make|skullstrip|pip) [^`\n]+)`", markdown)
    return [words for line in lines + inline if (words := shlex.split(line, comments=True))]


def test_the_makefile_has_the_targets_that_the_readme_names(root, readme):
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    mentioned = {words[1] for words in shell_commands(readme) if words[0] == "make"}
    assert mentioned >= {"demo", "test"}
    assert mentioned <= targets


def test_the_extras_in_the_readme_are_declared(root, readme):
    pyproject = (root / "pyproject.toml").read_text(encoding="utf-8")
    extras = re.findall(r"pip install '\.\[([a-z]+)\]'", readme)
    assert extras
    assert [extra for extra in extras if f"\n{extra} = [" not in pyproject] == []


def pages(root):
    """Every Markdown page of ours."""
    folders = ("", "docs", "training", "Testing", "benchmarks", "SkullStrip/Resources/Models")
    return [page for folder in folders for page in (root / folder).glob("*.md")]


def anchors(page):
    """The headings of a page as GitHub names them in addresses."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_files_and_headings_that_a_page_links_to_exist(root):
    missing = []
    for page in pages(root):
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if "://" in link:
                continue
            name, _, heading = link.partition("#")
            target = page.parent / name if name else page
            if not target.exists() or (heading and heading not in anchors(target)):
                missing.append(f"{page.relative_to(root)}: {link}")
    assert missing == []
