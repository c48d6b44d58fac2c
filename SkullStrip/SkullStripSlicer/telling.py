"""How the panel speaks: one sentence for whatever goes wrong, in colours that any palette shows."""

from __future__ import annotations

import functools
import logging

import qt
import slicer
from slicer.i18n import tr as _

from skullstrip.errors import SkullStripError

STATUS_MILLISECONDS = 10_000
# On a light and on a dark palette.
_COLORS = {
    "good": ("#1b6e20", "#81c784"),
    "warning": ("#a04000", "#ffb74d"),
    "error": ("#b00020", "#ff8a80"),
}


def styleFor(tone: str) -> str:
    """Return a style sheet for texts: "good", "warning", "error", or "" for an ordinary one."""
    main = slicer.util.mainWindow()
    if tone not in _COLORS or main is None:
        return ""
    palette = main.palette  # a label that has a style sheet does not follow a new one
    window, text = (palette.color(role) for role in (qt.QPalette.Window, qt.QPalette.WindowText))
    return f"color: {_COLORS[tone][window.lightness() < text.lightness()]};"


def say(label, text: str, tone: str = "") -> None:
    """Show a text, or hide the label where there is none."""
    label.text = text
    label.visible = bool(text)
    label.styleSheet = styleFor(tone)


def sentence(error: Exception) -> str:
    """Return what the user is told of an error; what nobody expected goes to the log in full."""
    if isinstance(error, SkullStripError):
        return str(error)
    logging.error("SkullStrip", exc_info=error)
    return _("Something unexpected went wrong ({what}); the log has the details.").format(
        what=f"{type(error).__name__}: {error}"
    )


def told(slot):
    """Make a slot show what it raises by its object's `tell(text)`.

    Qt and VTK only print what a slot raises, which nobody sees in the panel. As any slot it may
    take fewer arguments than its signal has.
    """
    taken = slot.__code__.co_argcount - 1

    @functools.wraps(slot)
    def call(self, *arguments, **named):
        try:
            return slot(self, *arguments[:taken], **named)
        except Exception as error:  # noqa: BLE001
            self.tell(sentence(error))

    return call
