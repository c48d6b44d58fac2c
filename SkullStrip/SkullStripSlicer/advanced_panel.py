"""The panel's folded part: paths chosen in dialogs, and the packages that were installed."""

from __future__ import annotations

from functools import partial

import qt
import slicer
from slicer.i18n import tr as _

from . import dependencies
from .panel import Panel, told


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
        if dependencies.missing(engine):
            self._logic.children.end()  # a process that waits may have them loaded
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
        self._logic.children.end()
        try:
            dependencies.remove()
        finally:
            self.refresh()
