"""Names and header texts on a terminal and in a log."""

import pytest

from skullstrip.escaping import print_escaped


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
def test_a_text_is_shown_in_one_line_that_moves_no_cursor(capsys, text, safe):
    print_escaped(text)
    assert capsys.readouterr().out == f"{safe}\n"
