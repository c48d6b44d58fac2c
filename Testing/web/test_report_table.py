"""The report page in real Chromium: what is shown, sorted, filtered, searched, walked, opened."""

import pytest

from Testing.web.reports import BROKEN, ODD_NAME, REASON, current, names, row, wait_until

ROWS_IN_DOCUMENT = 60


def sort_by(page, column):
    page.locator(f"[data-sort={column}]").click()


def facet(page, name):
    return page.locator(f"[data-facet={name}]")


def test_what_needs_a_look_comes_first(page):
    assert names(page)[:4] == ["sub-11", "sub-12", "sub-05", "sub-01"]
    chips = page.locator("#rows .chip").all_inner_texts()
    assert [" ".join(chip.split()) for chip in chips[:4]] == [
        "✕ Fail", "! Not stripped", "? Check", "✓ Pass",
    ]  # fmt: skip
    assert page.locator("#rows td.cuts img").count() == 11
    drawn = "[...document.querySelectorAll('#rows img')].every((i) => i.naturalWidth > 99)"
    wait_until(page, drawn)
    assert "12 scans · 9 pass · 1 check · 1 fail · 1 not stripped" in page.inner_text("header")


def test_a_click_on_a_heading_sorts_and_a_second_one_the_other_way(page):
    sort_by(page, "volume_ml")
    assert names(page)[:2] == ["sub-11", "sub-01"]
    assert names(page)[-1] == "sub-12"  # has none
    heading = page.locator("th.volume_ml")
    assert heading.get_attribute("aria-sort") == "ascending"
    sort_by(page, "volume_ml")
    assert names(page)[:2] == ["sub-10", "sub-09"]
    assert names(page)[-1] == "sub-12"  # still last
    assert heading.get_attribute("aria-sort") == "descending"
    assert page.locator("th.state").get_attribute("aria-sort") == "none"


def test_names_are_sorted_as_people_do(open_report):
    rows = [row(number) | {"name": f"sub-{number}"} for number in (10, 9, 1)]
    page = open_report(rows)
    sort_by(page, "name")
    assert names(page) == ["sub-1", "sub-9", "sub-10"]


def test_quality_buttons_filter_and_say_how_many(page):
    assert " ".join(facet(page, "pass").inner_text().split()) == "✓ Pass 9"
    facet(page, "check").click()
    assert names(page) == ["sub-05"]
    assert facet(page, "check").get_attribute("aria-pressed") == "true"
    facet(page, "error").click()
    assert names(page) == ["sub-12", "sub-05"]
    assert current(page) == "sub-12"  # the first
    assert page.inner_text("#count") == "2 of 12 scans"
    page.click("#clear")
    assert len(names(page)) == 12
    assert page.locator("#clear").is_hidden()


def test_words_are_searched_in_names_paths_and_notes(page):
    page.keyboard.press("/")
    page.keyboard.type("UNSURE base")
    assert names(page) == ["sub-05"]
    page.fill("#search", "/SCANS/")  # where the broken one lies, and no other
    assert names(page) == ["sub-12"]
    page.fill("#search", "nothing of the sort")
    assert names(page) == []
    assert page.locator("#empty").is_visible()
    page.fill("#search", "sub-1")
    page.keyboard.press("Enter")
    page.keyboard.press("j")
    assert current(page) == "sub-12"


def test_outliers_are_marked_with_their_rule(page):
    assert page.locator("#scan-0 .tag").inner_text() == "◆ low"
    assert page.locator("#rows .tag").count() == 1
    note = page.inner_text("#volumes-note")
    assert "1 of 11 stand out" in note
    assert "3.5 robust standard deviations" in note
    facet(page, "outliers").click()
    assert names(page) == ["sub-11"]


def test_scans_unlike_others_of_their_person_are_marked_and_found(open_report):
    page = open_report([row(1), row(2, unlike="unlike", message="Volumes differ."), row(3)])
    assert page.locator("#rows .tag").all_inner_texts() == ["◆ unlike"]
    facet(page, "outliers").click()
    assert names(page) == ["sub-02"]


def test_a_bar_of_the_histogram_filters_by_mouse_and_by_keys(page):
    bar = page.locator("#histogram g[role=button]").first
    assert bar.get_attribute("aria-label") == ("700 to 750 mL: 1 scan, 1 outside the usual range")
    bar.click()
    assert names(page) == ["sub-11"]
    bar.click()
    assert len(names(page)) == 12
    bar.focus()
    for _ in range(14):  # to 1,400 mL
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert names(page) == ["sub-01", "sub-02", "sub-03"]
    assert page.evaluate("document.activeElement.id") == "bar-14"


@pytest.mark.parametrize(("down", "up"), [("j", "k"), ("ArrowDown", "ArrowUp")])
def test_keys_walk_through_the_scans(page, down, up):
    assert current(page) == "sub-11"
    page.keyboard.press(down)
    page.keyboard.press(down)
    assert current(page) == "sub-05"
    page.keyboard.press(up)
    assert current(page) == "sub-12"
    page.keyboard.press("End")
    page.keyboard.press(down)
    assert current(page) == "sub-10"
    active = page.locator("#grid").get_attribute("aria-activedescendant")
    assert active == page.locator("#rows tr[aria-selected]").get_attribute("id") == "scan-11"
    page.keyboard.press("Home")
    assert current(page) == "sub-11"
    sort_by(page, "name")  # it stays the current one
    assert current(page) == "sub-11"


def test_enter_or_a_click_opens_all_cuts_and_escape_or_a_click_closes_them(page):
    page.evaluate("document.activeElement.blur()")  # as after a click beside the table
    page.keyboard.press("Enter")
    viewer = page.locator("#viewer")
    assert viewer.is_visible()
    assert viewer.locator("#viewer-name").inner_text() == "sub-11"
    wait_until(page, "document.querySelector('#picture img').naturalWidth > 400")
    assert viewer.locator("#viewer-place").inner_text() == "1 of 12"
    page.keyboard.press("j")
    assert "There is no picture of this scan" in viewer.inner_text()
    assert BROKEN in viewer.inner_text()
    page.keyboard.press("ArrowDown")
    assert viewer.locator("#viewer-name").inner_text() == "sub-05"
    assert REASON in viewer.inner_text()
    page.keyboard.press("Escape")
    assert viewer.is_hidden()
    assert current(page) == "sub-05"
    wait_until(page, "document.activeElement.id === 'grid'")
    page.click("#scan-8 .open")
    assert page.inner_text("#viewer-name") == "sub-07"
    page.click("#next")
    assert page.inner_text("#viewer-name") == "sub-08"
    page.click("#close")
    assert viewer.is_hidden()


def test_a_picture_is_found_whatever_it_is_called_and_one_that_is_missing_is_told(open_report):
    missing = "qc/nowhere: 100%?#.png"
    page = open_report([row(1, qc=f"qc/{ODD_NAME}"), row(2, qc=missing)])
    page.keyboard.press("Enter")
    wait_until(page, "document.querySelector('#picture img')?.naturalWidth > 400")
    page.keyboard.press("j")
    page.wait_for_selector("#picture .missing")
    assert f"{missing} is not beside this page" in page.inner_text("#picture")
    # Chromium itself logs that a file is not there; nothing else may be wrong.
    assert all("ERR_FILE_NOT_FOUND" in line for line in page.wrong)
    page.wrong.clear()


@pytest.mark.slow
def test_of_5000_scans_a_few_rows_are_in_the_page_wherever_one_looks(open_report):
    page = open_report([row(number, volume_ml=1450.0 + number % 97) for number in range(5000)])
    rows = page.locator("#rows tr[role=row]")
    assert page.inner_text("#count") == "5,000 of 5,000 scans"
    assert rows.count() < ROWS_IN_DOCUMENT
    sort_by(page, "name")
    page.fill("#search", "sub-4999")
    assert names(page) == ["sub-4999"]
    page.click("#clear")
    page.keyboard.press("End")
    assert current(page) == "sub-4999"
    wait_until(page, "document.querySelector('#rows tr[aria-selected] img').naturalWidth > 0")
    assert page.locator("#rows tr[aria-selected]").get_attribute("aria-rowindex") == "5001"
    page.evaluate("window.scrollTo(0, document.body.scrollHeight / 2)")
    place = "document.elementFromPoint(400, 500)?.closest('tr')?.dataset.place"
    wait_until(page, f"Math.abs({place} - 2500) < 500")
    assert rows.count() < ROWS_IN_DOCUMENT


def test_scans_that_got_the_same_mask_are_shown_below_it(open_report):
    applied = {"qc_applied": "qc/1.png;qc/2.png", "applied_to": "FLAIR.nii.gz: pass, overlap 0.96"}
    page = open_report([row(0, **applied), row(1)])
    page.keyboard.press("Enter")
    pictures = page.locator("#picture img")
    assert [each.get_attribute("src") for each in pictures.all()] == [
        "./qc/0.png", "./qc/1.png", "./qc/2.png",
    ]  # fmt: skip
    assert "FLAIR.nii.gz: pass, overlap 0.96" in page.inner_text("#facts")
    pictures.last.scroll_into_view_if_needed()
    page.keyboard.press("j")
    assert pictures.count() == 1
