"""What the parts of the panel have in common: settings, a voice, and buttons that start runs."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from skullstrip.errors import SkullStripError

STATUS_MILLISECONDS = 10_000
DRAW_DELAY_MS = 100  # what changes a node by hand, or plays it, does so many times a second
TONE = "SkullStripTone"
# On a light and on a dark palette.
_COLORS = {
    "good": ("#1b6e20", "#81c784"),
    "warning": ("#a04000", "#ffb74d"),
    "error": ("#b00020", "#ff8a80"),
}


def say(label, text: str, tone: str = "") -> None:
    """Show a text, ordinary, "good", a "warning" or an "error"; hide the label of an empty one."""
    roles = (qt.QPalette.Window, qt.QPalette.WindowText)
    window, words = (slicer.app.palette().color(role).lightness() for role in roles)
    label.text = text
    label.visible = bool(text)
    label.styleSheet = f"color: {_COLORS[tone][window < words]};" if tone else ""
    label.setProperty(TONE, tone)


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


def timer(milliseconds: int, slot: Callable[[], None]):
    """Return a timer that, once started, calls a slot after a while in which it is not started."""
    timer = qt.QTimer()
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.connect("timeout()", slot)
    return timer


class NodesObserver:
    """Calls `changed()` when a node of a class tells of one of the events, comes or goes."""

    def __init__(
        self,
        className: str,
        changed: Callable[[], None],
        events: Sequence[int] = (vtk.vtkCommand.ModifiedEvent,),
    ) -> None:
        self._className, self._changed, self._events = className, changed, events
        self._observations = slicer.util.VTKObservationMixin()

    def observe(self, scene) -> None:
        """Observe the nodes that a scene has now, and those that will come; nothing for None."""
        self._observations.removeObservers()
        if scene is None:
            return
        add = self._observations.addObserver
        for node in slicer.util.getNodesByClass(self._className, scene):
            for event in self._events:
                add(node, event, lambda *_: self._changed())
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent):
            add(scene, event, self._onNode)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNode(self, scene, _event, node) -> None:
        if node.IsA(self._className):
            self.observe(scene)
            self._changed()


class Panel:
    """A part of the panel: it has the module's `widget` with all that is there, and a label."""

    _observers: Sequence[NodesObserver] = ()

    def __init__(self, widget, label) -> None:
        self._widget, self._ui, self._logic, self._label = widget, widget.ui, widget.logic, label
        self._say("")

    @property
    def _parameterNode(self):
        """The settings; None while there are none."""
        return self._widget._parameterNode

    def setScene(self, scene) -> None:
        """Observe this scene; None while it is closed, when nothing more is said of what it had."""
        for observer in self._observers:
            observer.observe(scene)
        if scene is None:
            self._forget()

    def _forget(self) -> None:
        self._say("")

    def _connect(self, **slots: Callable[[], None]) -> None:
        """Connect buttons, by name, to what a click does; what that raises is told."""
        for name, slot in slots.items():
            getattr(self._ui, name).connect("clicked()", lambda slot=slot: self._do(slot))

    @told
    def _do(self, slot: Callable[[], None]) -> None:
        slot()

    def tell(self, text: str) -> None:
        """Show what went wrong."""
        self._say(text, "error")

    def _say(self, text: str, tone: str = "") -> None:
        say(self._label, text, tone)


class RunningPanel(Panel):
    """A part whose button starts one run at a time, and cancels it; runs outlive their settings."""

    def __init__(self, widget, label) -> None:
        super().__init__(widget, label)
        self._run: Any = None
        self._isStarting = False

    def _forget(self) -> None:
        if self._run is None:
            self._say("")

    @property
    def isRunning(self) -> bool:
        """Whether a run is on."""
        return self._run is not None

    def cancel(self) -> None:
        """End the run, if one is on."""
        if self._run is not None:
            self._run.cancel()

    def _clicked(self, start: Callable[[Any], Any]) -> None:
        """Cancel, or ask for packages if need be and `start(parameterNode)` a run."""
        if self._run is not None:
            self.cancel()
        elif not self._isStarting and self._parameterNode is not None:
            node = self._parameterNode
            self._isStarting = True  # the question about packages lets further clicks through
            try:
                self._widget.advancedPanel.ensurePackages()
                run = start(node)
            finally:
                self._isStarting = False
            if not run.isFinished:  # else it was as quick as that, or failed at once and said so
                self._run = run
                self._showRunning()

    def _ended(self, text: str, tone: str = "", *, said: str | None = None) -> None:
        """Say how a run ended, in the panel and in the status bar."""
        self._run = None
        self._showIdle()
        self._say(text if said is None else said, tone)
        slicer.util.showStatusMessage(f"SkullStrip: {text}", STATUS_MILLISECONDS)

    def _showRunning(self) -> None:
        raise NotImplementedError

    def _showIdle(self) -> None:
        raise NotImplementedError
