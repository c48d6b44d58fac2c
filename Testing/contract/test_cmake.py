"""The extension installs every file it needs, and what CMake installs works by itself.

CMake fails on a listed file that is missing but never on one that was forgotten. Stand-ins: the
`SlicerConfig.cmake` that Slicer's build tree would give, with the two macros that the module's
files call and an installation that keeps each file's sub-folder, as Slicer's does.
"""

import re
import shutil
from pathlib import Path

import pytest

from Testing.programs import LIBRARY, ROOT, run_program, run_python

INSTALLED = {
    "MODULE_PYTHON_SCRIPTS": ("SkullStrip.py", "skullstrip/**/*.py", "SkullStripSlicer/**/*.py"),
    "MODULE_PYTHON_RESOURCES": ("Resources/**/*", "skullstrip/**/templates/*"),
}
STAND_IN = {
    "SlicerConfig.cmake": """
set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/use.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/described.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/packed.cmake)
""",
    "use.cmake": """
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MODULE "WITH_GENERIC_TESTS" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(MODULE_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "unknown: ${MODULE_UNPARSED_ARGUMENTS}")
  endif()
  message(STATUS "module ${MODULE_NAME} generic tests ${MODULE_WITH_GENERIC_TESTS}")
  foreach(file ${MODULE_SCRIPTS} ${MODULE_RESOURCES})
    get_filename_component(folder ${file} DIRECTORY)
    install(FILES ${file} DESTINATION modules/${folder})
  endforeach()
endmacro()
macro(slicer_add_python_unittest)
  cmake_parse_arguments(TEST "" "SCRIPT" "" ${ARGN})
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${TEST_SCRIPT})
    message(FATAL_ERROR "no test ${TEST_SCRIPT}")
  endif()
  message(STATUS "test ${TEST_SCRIPT}")
endmacro()
""",
    "described.cmake": "",
    "packed.cmake": 'message(STATUS "packed ${PROJECT_NAME}")\n',
}


@pytest.mark.parametrize("variable", INSTALLED)
def test_the_list_of_installed_files_is_the_folder(variable):
    cmake = (LIBRARY / "CMakeLists.txt").read_text(encoding="utf-8")
    (entries,) = re.findall(rf"set\({variable}\b([^)]*)\)", cmake)
    listed = set(entries.replace("${MODULE_NAME}", "SkullStrip").split())
    files = {path for pattern in INSTALLED[variable] for path in LIBRARY.glob(pattern)}
    present = {
        path.relative_to(LIBRARY).as_posix()
        for path in files
        if path.is_file() and not path.name.startswith(".")
    }
    advice = [f"add {name}" for name in sorted(present - listed)]
    advice += [f"remove {name}" for name in sorted(listed - present)]
    assert not advice, "\n".join(["In SkullStrip/CMakeLists.txt:", *advice])


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that Slicer would load the module from, and what CMake said."""
    for name in ("cmake", "c++", "cc"):
        if shutil.which(name) is None:
            pytest.skip(f"no {name} here; Slicer's own build of the extension needs it")
    folder = tmp_path_factory.mktemp("cmake")
    for name, content in STAND_IN.items():
        (folder / name).write_text(content, encoding="utf-8")
    options = (f"-DSlicer_DIR={folder}", "-DBUILD_TESTING=ON")
    said = run_program("cmake", "-S", ROOT, "-B", folder / "build", *options, check=True).stdout
    prefix = folder / "installed"
    run_program("cmake", "--install", folder / "build", "--prefix", prefix, check=True)
    return prefix / "modules", said


def test_cmake_hands_slicer_one_module_and_its_tests(installed):
    module, test = "module SkullStrip generic tests TRUE", "test SkullStripModuleTest.py"
    for line in (module, test, "packed SkullStrip"):
        assert f"-- {line}\n" in installed[1]


def test_the_installed_library_finds_its_weights_and_knows_its_version(installed):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import skullstrip; "
        "from skullstrip.network.manifest import load_manifest; "
        "print(skullstrip.__version__, skullstrip.__file__, load_manifest()[1], sep='\\n')"
    )
    done = run_python("-I", "-c", program, installed[0])
    assert done.returncode == 0, done.stderr
    version, library, weights = done.stdout.splitlines()
    assert f'"{version}"' in (LIBRARY / "skullstrip" / "_version.py").read_text("utf-8")
    assert Path(library).is_relative_to(installed[0])
    assert Path(weights).is_relative_to(installed[0] / "Resources" / "Models")
