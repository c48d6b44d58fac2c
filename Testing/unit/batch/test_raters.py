"""How far two raters agree."""

import pytest

from skullstrip.cli.main import main


def rated(path, decisions):
    rows = [f"{name},{decision},Ann,2026-11-25T20:00:00Z" for name, decision in decisions.items()]
    path.write_text("\n".join(["name,decision,rater,decided", *rows]) + "\n")
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


def test_where_all_is_decided_alike_there_is_no_kappa(tmp_path, capsys):
    same = {"a": "accept", "b": "accept"}
    files = rated(tmp_path / "a.csv", same), rated(tmp_path / "b.csv", same)
    assert main(["batch", "--decisions", *files]) == 0
    assert "kappa is not defined" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["name,decision\n", "name,what\na,accept\n"])
def test_files_without_decisions_in_common_are_refused(tmp_path, capsys, content):
    (tmp_path / "b.csv").write_text(content)
    one = rated(tmp_path / "a.csv", {"a": "accept"})
    assert main(["batch", "--decisions", one, str(tmp_path / "b.csv")]) == 2
    assert "b.csv" in capsys.readouterr().err
