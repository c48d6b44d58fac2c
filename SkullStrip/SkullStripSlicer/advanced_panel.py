"""The panel's folded part: paths chosen in dialogs, and the packages that were installed."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
from slicer.i18n import tr as _

from . import dependencies
from .telling import say, told


class AdvancedPanel:
    """Buttons beside the line edits, and the list of packages.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file by name.
    beforeChange : callable
        Called without arguments before packages come or go; a process may have them loaded.
    """

    def __init__(self, ui, beforeChange: Callable[[], None]) -> None:
        self._ui, self._beforeChange = ui, beforeChange
        pairs = (
            (ui.weightsBrowse, ui.weightsEdit),
            (ui.wheelsBrowse, ui.wheelsEdit),
            (ui.batchInputBrowse, ui.batchInputEdit),
            (ui.batchOutputBrowse, ui.batchOutputEdit),
        )
        for button, edit in pairs:
            button.connect("clicked()", lambda edit=edit: self.browse(edit))
        ui.removeButton.connect("clicked()", self.removePackages)
        self.refresh()

    @told
    def browse(self, edit) -> None:
        """Let the user choose a folder for a line edit."""
        title = _("Choose a folder")
        path = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title, edit.text)
        if path:
            edit.text = path

    def ensurePackages(self, engine: str, wheels: str) -> None:
        """Install what is missing, after a question; show what is there then, also after a failure.

        Raises
        ------
        SkullStripError
            As `dependencies.ensure`.
        """
        if dependencies.missing(engine):
            self._beforeChange()
        try:
            dependencies.ensure(slicer.util.confirmOkCancelDisplay, engine, wheels)
        finally:
            self.refresh()

    @told
    def refresh(self) -> None:
        """Show what was installed for SkullStrip."""
        say(self._ui.packagesNotice, "")
        names = dependencies.installedByUs()
        self._ui.packagesLabel.text = ", ".join(names) or _("none installed by SkullStrip")
        self._ui.removeButton.enabled = bool(names)

    @told
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

    def tell(self, text: str) -> None:
        """Show what went wrong."""
        say(self._ui.packagesNotice, text, "error")
