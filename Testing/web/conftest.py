"""Fixtures of the report page's tests: real Chromium, which may load nothing but the page."""

import shutil

import pytest

from skullstrip.batch.report_page import write_report
from Testing.web.reports import study, write_pictures

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
VIEW = {"width": 1280, "height": 800}


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser is installed: none of {', '.join(BROWSERS)}")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder `qc` with real QC pictures of made heads."""
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture
def open_report(browser, pictures, tmp_path):
    """Writes a report of the rows and opens it; nothing may be loaded, logged or go wrong."""
    (tmp_path / "qc").symlink_to(pictures)
    contexts, wrong = [], []

    def allow(route):
        address = route.request.url
        if address.startswith((tmp_path.as_uri(), "data:", "blob:")):
            route.continue_()
        else:
            wrong.append(f"asked for {address}")
            route.abort()

    def open_(rows, *, scheme="light", view=VIEW, init_script="", context=None, write=True):
        if write:
            write_report(rows, tmp_path / "report.html")
        if context is None:
            context = browser.new_context(
                color_scheme=scheme, viewport=view, reduced_motion="reduce"
            )
            contexts.append(context)
        if init_script:
            context.add_init_script(init_script)
        context.route("**/*", allow)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        page.goto((tmp_path / "report.html").as_uri())
        page.wait_for_selector("#rows tr[role=row]")
        page.wrong = wrong
        return page

    yield open_
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def page(open_report):
    """The report of `study`."""
    return open_report(study())
