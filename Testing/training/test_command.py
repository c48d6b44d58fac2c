import pytest

from Testing.programs import ROOT, run_python
from training.__main__ import COMMANDS, main

HEAVY = ("keras", "tensorflow", "nibabel", "cv2", "matplotlib", "PIL")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    assert f"python -m training {command}" in capsys.readouterr().out


def test_an_error_is_one_sentence_with_its_exit_status(tmp_path, capsys):
    assert main(["trian"]) == 2
    assert "no command 'trian'" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "absent")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_importing_every_module_loads_nothing_heavy():
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "training").rglob("*.py")
        if not path.stem.startswith("__")
    )
    program = (
        "import importlib, sys\n"
        f"for name in {modules}: importlib.import_module(name)\n"
        f"print(*[name for name in {HEAVY} if name in sys.modules])"
    )
    assert run_python("-c", program, check=True).stdout.strip() == ""
