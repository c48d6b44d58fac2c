"""The panel's folded part, with the packages that the child process needs, and which can go again.

Slicer's own process imports none of them but the readers of image files, for reviews, and those
only once they are needed, so nothing has to be restarted after an installation.
"""

from __future__ import annotations

import importlib
import re
import subprocess
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from skullstrip.errors import EngineError, InputError

from .panel import Panel, told

REQUIREMENTS = Path(__file__).resolve().parent.parent / "Resources" / "requirements.txt"
# Only where the user chose that engine.
EXTRA_REQUIREMENTS = {"tensorflow": ("tensorflow>=2.20", "keras>=3.10")}
# To download, dependencies included.
SIZE_MB, SIZES_MB = 45, {"tensorflow": 660}
SETTINGS_KEY = "SkullStrip/InstalledPackages"
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)\s*(?:>=\s*([0-9.]+))?$")


def requirements(engine: str = "auto") -> list[str]:
    """Lines of requirements.txt, and what a chosen engine adds."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    needed = [line.split("#")[0].strip() for line in lines]
    return [*filter(None, needed), *EXTRA_REQUIREMENTS.get(engine, ())]


def missing(engine: str = "auto") -> list[str]:
    """Return requirements that this Python does not meet, found without importing anything."""
    importlib.invalidate_caches()
    return [requirement for requirement in requirements(engine) if not _isMet(requirement)]


def ensure(ask: Callable[[str], bool], engine: str = "auto", wheels: str = "") -> None:
    """Install what is missing, after `ask(question)` said yes; nothing happens when nothing is.

    `wheels` is a folder with wheels for a computer without a network, empty for PyPI. Raises
    SkullStripError where the answer was no or the installation failed; it says what to do.
    """
    needed = missing(engine)
    if not needed:
        return
    if wheels and not Path(wheels).is_dir():
        raise InputError(f"The folder for wheels, '{wheels}', does not exist; choose another.")
    source = (
        _("from the folder {folder}").format(folder=wheels)
        if wheels
        else _("from PyPI, at most {size} MB").format(size=SIZES_MB.get(engine, SIZE_MB))
    )
    question = _(
        "SkullStrip needs Python packages that this Slicer does not have yet:\n\n{packages}\n\n"
        "Install them now ({source})? They can be removed again under Advanced."
    )
    if not ask(question.format(packages="\n".join(needed), source=source)):
        raise EngineError(
            "The network cannot run without its packages, and nothing was installed; click again "
            "to be asked again, or name a folder with wheels under Advanced."
        )
    options = ["--no-index", "--find-links", wheels] if wheels else ["--only-binary", ":all:"]
    before = _installed()
    try:
        slicer.util.pip_install([*options, *needed])
    except (subprocess.CalledProcessError, RuntimeError, OSError) as error:
        raise EngineError(
            f"The packages {', '.join(needed)} could not be installed ({error}); check the network "
            "connection, or name a folder with wheels under Advanced."
        ) from error
    finally:
        ours = _remembered() | (_installed() - before)
        slicer.app.userSettings().setValue(SETTINGS_KEY, " ".join(sorted(ours)))
    if left := missing(engine):
        raise EngineError(f"Still missing after the installation: {', '.join(left)}.")


def installedByUs() -> list[str]:
    """Return names of the packages that `ensure` brought and that are still there."""
    return sorted(_remembered() & _installed())


def remove() -> None:
    """Uninstall what `ensure` brought; raise EngineError where pip fails."""
    try:
        for name in installedByUs():
            slicer.util.pip_uninstall(name)
    except (subprocess.CalledProcessError, RuntimeError, OSError) as error:
        raise EngineError(f"The packages could not be removed ({error}).") from error
    slicer.app.userSettings().setValue(SETTINGS_KEY, " ".join(installedByUs()))


def _isMet(requirement: str) -> bool:
    match = _REQUIREMENT.match(requirement)
    if match is None:
        raise ValueError(f"'{requirement}' is no 'name>=version'.")
    try:
        version = metadata.version(match[1])
    except metadata.PackageNotFoundError:
        return False
    return _numbers(version) >= _numbers(match[2] or "0")


def _numbers(version: str) -> tuple[int, ...]:
    """Leading numbers of a version: "2.20.0rc1" gives (2, 20, 0)."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _installed() -> set[str]:
    importlib.invalidate_caches()
    return {distribution.metadata["Name"] for distribution in metadata.distributions()}


def _remembered() -> set[str]:
    return set(str(slicer.app.userSettings().value(SETTINGS_KEY) or "").split())


class AdvancedPanel(Panel):
    """The list of packages, and the buttons that choose a folder beside the line edits."""

    def __init__(self, widget) -> None:
        super().__init__(widget, widget.ui.packagesNotice)
        for name in ("weights", "wheels", "batchInput", "batchOutput"):
            edit = getattr(self._ui, f"{name}Edit")
            self._connect(**{f"{name}Browse": partial(self._browse, edit)})
        self._connect(removeButton=self.removePackages)
        self.refresh()

    def _browse(self, edit) -> None:
        title = _("Choose a folder")
        path = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title, edit.text)
        if path:
            edit.text = path

    def ensurePackages(self) -> None:
        """Install what the settings need, after a question; show what is there then in any case."""
        engine, wheels = self._parameterNode.engine.value, self._parameterNode.wheels.strip()
        if missing(engine):
            self._logic.children.end()  # a process that waits may have them loaded
        try:
            ensure(slicer.util.confirmOkCancelDisplay, engine, wheels)
        finally:
            self.refresh()

    @told
    def refresh(self) -> None:
        """Show what was installed for SkullStrip."""
        self._say("")
        names = installedByUs()
        self._ui.packagesLabel.text = ", ".join(names) or _("none installed by SkullStrip")
        self._ui.removeButton.enabled = bool(names)

    def removePackages(self) -> None:
        """Ask, then uninstall what SkullStrip brought."""
        names = installedByUs()
        text = _("Remove these packages from Slicer's Python?\n\n{names}")
        if not slicer.util.confirmOkCancelDisplay(text.format(names=", ".join(names))):
            return
        self._logic.children.end()
        try:
            remove()
        finally:
            self.refresh()
