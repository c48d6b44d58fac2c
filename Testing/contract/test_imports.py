"""Who may import whom, and what may happen when a file is merely imported."""

import ast
import sys

import pytest
from importlinter.cli import lint_imports

import skullstrip
from Testing.programs import LIBRARY, ROOT, run_python

HEAVY = {
    "PIL", "SimpleITK", "cv2", "dask", "distributed", "jax", "keras", "matplotlib",
    "nibabel", "nrrd", "onnx", "onnxruntime", "psutil", "slicer", "tensorflow", "torch", "tqdm",
    "vtk",
}  # fmt: skip
ALLOWED_AT_FILE_SCOPE = (
    set(sys.stdlib_module_names)
    | {"numpy", "scipy", "SimpleITK", "ctk", "qt", "slicer", "vtk"}
    | {"skullstrip", "SkullStripSlicer", "Testing", "benchmarks", "scripts", "training"}
)
STATEMENTS_WITHOUT_WORK = (
    ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign,
    ast.AnnAssign, ast.Try, ast.If, ast.Pass,
)  # fmt: skip


def imported_packages(node):
    """Top-level names of the absolute imports that run with one statement at file scope."""
    match node:
        case ast.Import():
            return {alias.name.split(".")[0] for alias in node.names}
        case ast.ImportFrom(level=0):
            return {node.module.split(".")[0]}
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            return set()
        case ast.If() if ast.unparse(node.test).endswith("TYPE_CHECKING"):
            return set()
    return set().union(*map(imported_packages, ast.iter_child_nodes(node)))


def does_work(node):
    is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return not (isinstance(node, STATEMENTS_WITHOUT_WORK) or is_docstring)


def test_a_file_that_is_imported_does_no_work_and_takes_what_the_extensions_index_allows():
    offending = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in ("SkullStrip", "training", "scripts", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if does_work(node) or imported_packages(node) - ALLOWED_AT_FILE_SCOPE
    ]
    assert offending == []


def printed(program):
    """Words that a new Python prints which finds library and module."""
    return run_python("-c", program, cwd=LIBRARY, check=True).stdout.split()


def test_importing_library_and_commands_loads_nothing_heavy():
    modules = ["skullstrip.pipeline", *(f"skullstrip.cli.{name}" for name in ("main", "batch"))]
    loaded = set(printed(f"import sys, {', '.join(modules)}; print(*sys.modules)"))
    assert loaded.issuperset(modules)
    assert HEAVY & loaded == set()


@pytest.mark.parametrize("name", ["cli.main", "cli.batch", "worker.child"])
def test_numpy_is_loaded_after_a_program_of_ours_has_set_its_threads(name):
    assert "numpy" not in printed(f"import sys, skullstrip.{name}; print(*sys.modules)")


def test_programs_of_ours_load_scipy_without_what_it_never_uses_and_others_still_find_that():
    program = (
        "import sys; from skullstrip.io.process import import_scipy; import_scipy(); "
        "print('scipy.ndimage' in sys.modules, 'numpy.f2py' in sys.modules); "
        "import numpy; print(numpy.f2py.__name__, numpy.testing.__name__)"
    )
    assert printed(program) == ["True", "False", "numpy.f2py", "numpy.testing"]


def test_a_public_name_is_listed_and_is_the_thing_and_not_the_module_of_that_name():
    assert "extract_brain" in dir(skullstrip)  # where editors and notebooks look for it
    names = ", ".join(set(dir(skullstrip)) - {"__version__"})
    assert set(printed(f"from skullstrip import {names}; print(*map(callable, ({names},)))")) == {
        "True"
    }


def test_module_and_library_load_from_one_folder_though_only_case_differs():
    program = (
        "from importlib.util import find_spec; "
        "print(*(find_spec(name).origin for name in ('SkullStrip', 'skullstrip')))"
    )
    origins = [str(LIBRARY / "SkullStrip.py"), str(LIBRARY / "skullstrip" / "__init__.py")]
    assert printed(program) == origins


def test_rooms_and_packages_are_imported_as_the_contracts_say(monkeypatch):
    monkeypatch.chdir(ROOT)  # `training` lies there
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == 0
