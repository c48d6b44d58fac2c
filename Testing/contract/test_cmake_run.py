"""The CMake files are run by CMake itself, and what they install works by itself.

Stand-ins: the `SlicerConfig.cmake` that Slicer's build tree would give, with the two macros that
the module's files call and an installation that keeps each file's sub-folder, as Slicer's does.
"""

import shutil
from pathlib import Path

import pytest

from Testing.programs import run_program, run_python

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
    "described.cmake": "foreach(key HOMEPAGE CATEGORY DEPENDS)\n"
    '  message(STATUS "${key} ${EXTENSION_${key}}")\n'
    "endforeach()\n",
    "packed.cmake": 'message(STATUS "packed ${PROJECT_NAME}")\n',
}


@pytest.fixture(scope="module")
def configured(root, tmp_path_factory):
    """The build folder, and what CMake said."""
    missing = [name for name in ("cmake", "c++", "cc") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {missing[0]} here; Slicer's own build of the extension needs it")
    folder = tmp_path_factory.mktemp("cmake")
    slicer, build = folder / "slicer", folder / "build"
    slicer.mkdir()
    for name, content in STAND_IN.items():
        (slicer / name).write_text(content, encoding="utf-8")
    options = (f"-DSlicer_DIR={slicer}", "-DBUILD_TESTING=ON")
    done = run_program("cmake", "-S", root, "-B", build, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return build, done.stdout


@pytest.fixture(scope="module")
def installed(configured, tmp_path_factory):
    """The folder that Slicer would load the module from."""
    prefix = tmp_path_factory.mktemp("installed")
    run_program("cmake", "--install", configured[0], "--prefix", prefix, check=True)
    return prefix / "modules"


def test_cmake_hands_slicer_one_module_its_tests_and_the_description(configured):
    said = configured[1]
    for line in (
        "module SkullStrip generic tests TRUE",
        "test SkullStripModuleTest.py",
        "CATEGORY Segmentation",
        "DEPENDS NA",
        "packed SkullStrip",
    ):
        assert f"-- {line}\n" in said


def test_the_installed_library_finds_its_weights_and_knows_its_version(root, installed):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import skullstrip; "
        "from skullstrip.network.manifest import load_manifest; "
        "print(skullstrip.__version__, skullstrip.__file__, load_manifest()[1], sep='\\n')"
    )
    done = run_python("-I", "-c", program, installed)
    assert done.returncode == 0, done.stderr
    version, library, weights = done.stdout.splitlines()
    assert f'"{version}"' in (root / "SkullStrip/skullstrip/_version.py").read_text("utf-8")
    assert Path(library).is_relative_to(installed)
    assert Path(weights).is_relative_to(installed / "Resources" / "Models")
