"""Who may import whom, and what may happen when a file is merely imported."""

import ast
import sys

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
    """Top-level names of the absolute imports of one statement."""
    if isinstance(node, ast.Import):
        return {alias.name.split(".", 1)[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return {node.module.split(".", 1)[0]}
    return set()


def is_type_checking(node):
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def file_scope_nodes(tree):
    """Walk what runs on import: neither function bodies nor type-checking blocks."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if is_type_checking(child):
            continue
        yield child
        yield from file_scope_nodes(child)


def reviewed_files():
    """Every .py but the tests, which only pytest imports."""
    folders = ("SkullStrip", "training", "scripts", "benchmarks")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def printed(program):
    """Words that a new Python prints which finds library and module."""
    return run_python("-c", program, cwd=LIBRARY, check=True).stdout.split()


def test_importing_library_and_commands_loads_nothing_heavy():
    modules = (
        "skullstrip.pipeline",
        "skullstrip.cli.main",
        "skullstrip.cli.batch",
        "skullstrip.cli.bids",
    )
    loaded = set(printed(f"import sys, {', '.join(modules)}; print(*sys.modules)"))
    assert loaded.issuperset(modules)
    assert HEAVY & loaded == set()


def test_a_public_name_is_the_thing_and_not_the_module_of_that_name():
    names = ", ".join(set(skullstrip.__all__) - {"__version__"})
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


def test_file_scope_imports_are_those_the_extensions_index_allows():
    offending = {
        f"{path.relative_to()}:{node.lineno} imports {', '.join(sorted(foreign))}"
        for path in reviewed_files()
        for node in file_scope_nodes(ast.parse(path.read_text(encoding="utf-8")))
        if (foreign := imported_packages(node) - ALLOWED_AT_FILE_SCOPE)
    }
    assert offending == set()


def test_no_file_does_work_when_it_is_imported():
    offending = [
        f"{path.relative_to()}:{node.lineno}"
        for path in reviewed_files()
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if not isinstance(node, STATEMENTS_WITHOUT_WORK) and not is_docstring(node)
    ]
    assert offending == []


def is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def test_rooms_and_packages_are_imported_as_the_contracts_say(monkeypatch):
    monkeypatch.chdir(ROOT)  # `training` lies there
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == 0
