"""The report page in real Chromium: contrast, narrow screens, paper, keys alone, hostile names."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from Testing.web.reports import names, row, study, wait_until

# For each visible text: what it says, its contrast as WCAG 2.2 defines it, and whether it is large.
CONTRASTS = """
() => {
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) =>
    0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[0-9.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = ([r, g, b, a], [R, G, B]) =>
    [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const ground = (element) => {
    if (!element) return [255, 255, 255, 1];
    const colour = parse(getComputedStyle(element).backgroundColor);
    return colour[3] === 1 ? colour : over(colour, ground(element.parentElement));
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    const unseen = element.closest(".visually-hidden, title") || !element.checkVisibility();
    if (unseen || !node.data.trim()) continue;
    const style = getComputedStyle(element);
    const behind = ground(element);
    const front = over(parse(element.closest("svg") ? style.fill : style.color), behind);
    const [light, dark] = [luminance(front), luminance(behind)].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    found.push([node.data.trim(), (light + 0.05) / (dark + 0.05), size >= 24]);
  }
  return found;
}
"""
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "<!--<script>",
    "{{ 7 * 7 }}",
    "'\"><svg onload=alert(3)>",
    "javascript:alert(4)",
)


def contrasts(page):
    return page.evaluate(f"({CONTRASTS})()")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_that_wcag_asks_for(open_report, scheme):
    page = open_report(study(), scheme=scheme)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (min(map(int, re.findall(r"\d+", ground)[:3])) > 128) is (scheme == "light")
    page.keyboard.press("a")
    page.keyboard.press("r")
    page.click("[data-facet=pass]")
    texts = contrasts(page)
    page.click("#clear")
    page.keyboard.press("Enter")
    texts += contrasts(page)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    texts += contrasts(page)
    assert len(texts) > 200
    assert [text for text in texts if text[1] < (3.0 if text[2] else 4.5)] == []


@pytest.mark.parametrize("width", [360, 820, 1024])
def test_nothing_runs_out_of_a_narrow_screen(open_report, width):
    page = open_report(study(), view={"width": width, "height": 740})
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0
    heights = page.evaluate(
        "[...document.querySelectorAll('#rows tr[role=row]')]"
        ".map((r) => [r.scrollHeight, r.clientHeight])"
    )
    assert all(content <= height for content, height in heights)
    page.keyboard.press("Enter")
    assert page.locator("#accept").is_visible()
    assert page.evaluate(overflow) == 0


def test_the_head_of_the_table_stays_in_view_and_covers_no_current_scan(open_report):
    page = open_report([row(number) for number in range(1, 61)])
    page.keyboard.press("End")
    for _ in range(40):
        page.keyboard.press("k")
    head = page.locator("#head").bounding_box()
    scan = page.locator("#rows tr[aria-selected]").bounding_box()
    assert head["y"] >= 0
    assert scan["y"] >= head["y"] + head["height"] - 1
    assert scan["y"] + scan["height"] <= 800


def test_all_scans_are_printed_and_no_buttons(open_report):
    page = open_report([row(number) for number in range(1, 101)])
    assert page.locator("#rows tr[role=row]").count() < 60
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#rows tr[role=row]").count() == 100
    assert page.locator("#toolbar").is_hidden()
    assert page.locator("#export").is_hidden()
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("#rows tr[role=row]").count() < 60


def test_everything_is_reached_by_the_tab_key_and_shows_it(page):
    page.focus("#export")
    reached = []
    for _ in range(25):
        name, outline = page.evaluate(
            "(() => { const e = document.activeElement; return [e.id || e.dataset.facet"
            "|| e.dataset.sort || e.tagName, getComputedStyle(e).outlineStyle]; })()"
        )
        if name in reached or name == "BODY":
            break
        reached.append(name)
        if name not in ("grid", "bar-0"):  # they mark the current row or bar instead
            assert outline == "solid", name
        page.keyboard.press("Tab")
    assert reached == [
        "export", "import", "help", "bar-0", "search", "fail", "error", "check", "pass",
        "outliers", "decided", "grid", "name", "state", "volume_ml", "dice_estimate", "seconds",
        "reasons", "decision",
    ]  # fmt: skip


def test_a_scan_may_be_called_anything(open_report, tmp_path):
    rows = [
        row(number, name=text, path=text, subject=text, reasons=text, verdict="check",
            qc="" if number % 2 else text, mask_sha256=text)
        for number, text in enumerate(HOSTILE)
    ]  # fmt: skip
    page = open_report(rows)
    assert sorted(names(page)) == sorted(HOSTILE)
    for _ in HOSTILE:
        page.keyboard.press("Enter")
        page.keyboard.press("r")
    assert page.locator("img[src=x], #rows script, svg[onload]").count() == 0
    page.wrong[:] = [line for line in page.wrong if "ERR_FILE_NOT_FOUND" not in line]


def test_the_policy_lets_no_other_script_run(page):
    page.evaluate(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.bad = 1';"
        "document.body.append(s); document.body.insertAdjacentHTML('beforeend',"
        "'<img src=y onerror=\"window.bad = 2\">'); })()"
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.bad") is None
    refused = [line for line in page.wrong if "Content Security Policy" in line]
    assert refused
    page.wrong.clear()


def test_a_key_hides_the_outline_and_shows_it_again(open_report):
    def is_coloured():
        wait_until(page, "() => document.querySelector('#picture img')?.naturalWidth > 0")
        picture = Image.open(io.BytesIO(page.locator("#picture img").screenshot()))
        pixels = np.asarray(picture.convert("RGB")).astype(int)
        return bool((np.ptp(pixels, axis=-1) > 40).any())

    page = open_report([row(number) for number in range(3)])
    page.keyboard.press("Enter")
    assert is_coloured()
    page.keyboard.press("o")
    assert not is_coloured()
    page.keyboard.press("j")  # stays hidden from scan to scan
    assert not is_coloured()
    page.click("#outline")
    assert is_coloured()
    assert page.get_attribute("#outline", "aria-pressed") == "true"
