"""What people decided: written without a loss, and compared."""

import pytest

from skullstrip.batch.decisions import read_decisions, write_decision
from skullstrip.cli.main import main


def test_all_else_in_the_decisions_stays(tmp_path):
    path = tmp_path / "decisions.csv"
    text = 'name;decision;comment;site\na;accept;"two\nlines";Rome\n\'=b;Reject;;\n'
    path.write_text(text, encoding="utf-8-sig")
    write_decision(path, {"name": "'=b", "path": "/b"}, "accept", "=Ann")
    write_decision(path, {"name": "c", "path": "/c"}, "reject", " Ben ")
    first, *lines = path.read_bytes().decode().split("\r\n")
    assert first == "name,path,decision,comment,rater,decided,site"
    assert lines[0] == 'a,,accept,"two\nlines",,,Rome'
    assert lines[1].startswith("'=b,,accept,,'=Ann,20")
    assert lines[2].startswith("c,/c,reject,,Ben,20")
    assert read_decisions(path) == {"a": "accept", "=b": "accept", "c": "reject"}


def rated(path, decisions):
    rows = [f"{name},{decision},Ann" for name, decision in decisions.items()]
    path.write_text("\n".join(["name,decision,rater", *rows]) + "\n")
    return str(path)


def test_two_files_are_compared_by_what_both_decided(tmp_path, capsys):
    # The textbook's: 20 and 15 alike of 50, kappa 0.4.
    both = {f"{number:02d}": "accept" for number in range(25)}
    both |= {f"{number:02d}": "reject" for number in range(25, 50)}
    other = dict.fromkeys(both, "accept")
    other |= {f"{number:02d}": "reject" for number in [*range(20, 25), *range(35, 50)]}
    one = rated(tmp_path / "a.csv", both | {"x": "accept", "y": ""})
    assert main(["batch", "--decisions", one, rated(tmp_path / "b.csv", other)]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == (
        "Both decided 50 scans, 35 of them alike (70%); Cohen's kappa 0.40. One alone decided 1."
    )
    assert len(lines) == 15
    assert lines[0].startswith("20: accept in ")
    alike = rated(tmp_path / "c.csv", {"20": "accept", "21": "accept"})
    assert main(["batch", "--decisions", one, alike]) == 0
    assert "kappa is not defined" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["name,decision\n", "name,what\na,accept\n"])
def test_files_without_decisions_in_common_are_refused(tmp_path, capsys, content):
    (tmp_path / "b.csv").write_text(content)
    one = rated(tmp_path / "a.csv", {"a": "accept"})
    assert main(["batch", "--decisions", one, str(tmp_path / "b.csv")]) == 2
    assert "b.csv" in capsys.readouterr().err
