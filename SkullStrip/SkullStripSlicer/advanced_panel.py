"""The panel's folded part: paths chosen in dialogs, and the packages that were installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import qt
import slicer
from slicer.i18n import tr as _

from . import dependencies
from .panel import Panel, told


class AdvancedPanel(Panel):
    """The list of packages, and the buttons that choose a folder beside the line edits.

    `beforeChange()` is called before packages come or go; a process may have them loaded.
    """

    def __init__(self, ui, beforeChange: Callable[[], None]) -> None:
        super().__init__(ui, ui.packagesNotice)
        self._beforeChange = beforeChange
        for name in ("weights", "wheels", "batchInput", "batchOutput"):
            edit = getattr(ui, f"{name}Edit")
            self._connect(**{f"{name}Browse": partial(self._browse, edit)})
        self._connect(removeButton=self.removePackages)
        self.refresh()

    def _browse(self, edit) -> None:
        title = _("Choose a folder")
        path = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title, edit.text)
        if path:
            edit.text = path

    def ensurePackages(self, parameterNode) -> None:
        """Install what the settings need, after a question; show what is there then in any case."""
        engine, wheels = parameterNode.engine.value, parameterNode.wheels.strip()
        if dependencies.missing(engine):
            self._beforeChange()
        try:
            dependencies.ensure(slicer.util.confirmOkCancelDisplay, engine, wheels)
        finally:
            self.refresh()

    @told
    def refresh(self) -> None:
        """Show what was installed for SkullStrip."""
        self._say("")
        names = dependencies.installedByUs()
        self._ui.packagesLabel.text = ", ".join(names) or _("none installed by SkullStrip")
        self._ui.removeButton.enabled = bool(names)

    def removePackages(self) -> None:
        """Ask, then uninstall what SkullStrip brought."""
        names = dependencies.installedByUs()
        text = _("Remove these packages from Slicer's Python?\n\n{names}")
        if not slicer.util.confirmOkCancelDisplay(text.format(names=", ".join(names))):
            return
        self._beforeChange()
        try:
            dependencies.remove()
        finally:
            self.refresh()
