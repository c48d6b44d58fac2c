"""Names and header texts on a terminal and in a table."""

import io

import pytest

from skullstrip.batch.tables import cell, text_of
from skullstrip.escaping import escaped, print_escaped


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("Größe 日本 a b", "Größe 日本 a b"),
        ("\x1b[2J", r"\x1b[2J"),
        ("three\rfive\nrows", r"three\rfive\nrows"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("\x9b31m\u2028", r"\x9b31m\u2028"),
        ("\udcff", r"\udcff"),
    ],
)
def test_a_text_is_shown_in_one_line_that_moves_no_cursor(text, safe):
    assert escaped(text) == safe
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    print_escaped(text, stream)
    stream.seek(0)
    assert stream.read().rstrip("\r\n") == safe


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_no_text_is_a_formula_in_a_table_and_it_is_read_back(text):
    assert cell(text) == f"'{text}"
    assert text_of(f"'{text}") == text


def test_numbers_and_ordinary_texts_are_cells_as_they_are():
    assert [cell(value) for value in (-1.5, None, "a", "'tis")] == [-1.5, None, "a", "'tis"]
    assert text_of("'tis") == "'tis"
