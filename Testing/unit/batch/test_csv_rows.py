"""CSV as spreadsheets of several countries write it."""

import pytest

from skullstrip.batch.tables import read_rows
from skullstrip.errors import InputError

ROWS = [{"name": "a", "path": "x,y;z.nii"}, {"name": "b", "path": ""}]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_tables_of_every_kind_are_read(tmp_path, separator, encoding, end):
    lines = [f"name{separator}path", f'a{separator}"x,y;z.nii"', "b", ""]
    table = tmp_path / "table.csv"
    table.write_bytes(end.join(lines).encode(encoding))
    assert read_rows(table, ("path",), "do this") == ROWS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read as a table"),
        ("path\n\xe9".encode("latin-1"), "cannot be read as a table"),
        (b"", "has no column 'path'"),
        (b"file\nx", "has no column 'path'"),
    ],
)
def test_what_cannot_be_read_is_refused_with_advice(tmp_path, content, message):
    table = tmp_path / "table.csv"
    if content is not None:
        table.write_bytes(content)
    with pytest.raises(InputError, match=f"{message}.*; do this\\."):
        read_rows(table, ("path", "name"), "do this")
