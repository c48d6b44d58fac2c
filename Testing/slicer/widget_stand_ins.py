"""Stand-ins for the widgets of CTK and Slicer, which no registry has, as the .ui uses them."""

import slicer
from PySide6 import QtCore, QtWidgets

from Testing.slicer.pythonqt import invokable

Property, Signal = QtCore.Property, QtCore.Signal


def kept(name, kind=bool):
    """A property of a widget that keeps its value in `_kept`, and does nothing else."""
    return Property(
        kind,
        lambda self: self._kept.get(name, kind()),
        lambda self, value: self._kept.__setitem__(name, value),
    )


class qMRMLWidget(QtWidgets.QWidget):
    """The .ui connects its scene to the selectors by a signal that only Slicer can resolve."""

    @invokable
    def setMRMLScene(self, scene):
        for selector in self.findChildren(qMRMLNodeComboBox):
            selector.setMRMLScene(scene)


class ctkCollapsibleButton(QtWidgets.QGroupBox):
    """A titled box that can be folded; here the title is a group box's."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._collapsed = False

    def _setCollapsed(self, collapsed):
        self._collapsed = collapsed
        self.setMaximumHeight(24 if collapsed else 16777215)

    text = Property(str, QtWidgets.QGroupBox.title, QtWidgets.QGroupBox.setTitle)
    collapsed = Property(bool, lambda self: self._collapsed, _setCollapsed)


class ctkSliderWidget(QtWidgets.QDoubleSpinBox):
    """A slider and a number in one; here the number alone."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._kept = {}

    pageStep = kept("pageStep", float)


class SortFilterProxyModel(QtCore.QObject):
    """What filters the nodes of a selector, besides their type."""

    changed = Signal()

    def __init__(self, parent):
        super().__init__(parent)
        self._hidden = []

    def _hide(self, ids):
        self._hidden = list(ids)
        self.changed.emit()

    hiddenNodeIDs = Property("QStringList", lambda self: self._hidden, _hide)


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Lists the scene's nodes of some types; disabled until it has a scene.

    As the real one: `nodeActivated` is emitted for the user's choice and for `setCurrentNode`
    alike, after `currentNodeChanged`; not when it selects a first node by itself, but then for the
    `setCurrentNode` of that node, because its list does not know of it yet.
    """

    currentNodeChanged = Signal(object)
    nodeActivated = Signal(object)
    SIGNALS = {
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "nodeActivated(vtkMRMLNode*)": "nodeActivated",
    }

    def __init__(self, parent=None):
        super().__init__(parent)
        self.box = QtWidgets.QComboBox()
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.box)
        self._scene, self._types, self._current, self._tags = None, [], None, []
        self._listed = None
        self._kept = {"noneEnabled": False, "addEnabled": True, "removeEnabled": True,
                       "showChildNodeTypes": True}  # fmt: skip
        self._filter = SortFilterProxyModel(self)
        self._filter.changed.connect(self._fill)
        self.setEnabled(False)
        self.box.activated.connect(self._activated)

    @invokable
    def sortFilterProxyModel(self):
        return self._filter

    @invokable
    def setMRMLScene(self, scene):
        self._scene = scene
        self.setEnabled(scene is not None)
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent):
            self._tags.append(scene.AddObserver(event, lambda *_: self._fill()))
        self._fill()

    def nodes(self):
        found = []
        for kind in self._types:
            found += slicer.util.getNodesByClass(kind, self._scene)
        if not self._kept["showChildNodeTypes"]:
            found = [node for node in found if node.GetClassName() in self._types]
        hidden = self._filter.hiddenNodeIDs
        return [n for n in found if not n.GetHideFromEditors() and n.GetID() not in hidden]

    def _fill(self):
        nodes = self.nodes()
        self.box.blockSignals(True)
        self.box.clear()
        for node in nodes:
            self.box.addItem(node.GetName())
        self.box.blockSignals(False)
        keep = self._current if self._current in nodes else None
        first = nodes[0] if nodes and not self._kept["noneEnabled"] else None
        self._select(keep or first)

    @invokable
    def setCurrentNode(self, node):
        isOther, self._listed = node is not self._listed, node
        self._select(node)
        if isOther and node is not None:
            self.nodeActivated.emit(node)

    def _select(self, node):
        nodes = self.nodes()
        self.box.setCurrentIndex(nodes.index(node) if node in nodes else -1)
        if node is not self._current:
            self._current = node
            self.currentNodeChanged.emit(node)

    @invokable
    def currentNode(self):
        return self._current

    def _activated(self, index):
        node = self._listed = self.nodes()[index]
        self._select(node)
        self.nodeActivated.emit(node)

    noneEnabled, addEnabled = kept("noneEnabled"), kept("addEnabled")
    removeEnabled, showChildNodeTypes = kept("removeEnabled"), kept("showChildNodeTypes")
    nodeTypes = Property(
        "QStringList",
        lambda self: self._types,
        lambda self, types: setattr(self, "_types", list(types)),
    )


class qMRMLSegmentEditorWidget(QtWidgets.QWidget):
    """Slicer's Segment Editor, to be embedded; real are its node, the nodes it edits and its undo.

    As the real one it wants its own node first, then the scene, then a segmentation, then the
    volume, and none of these that has left the scene.
    """

    def __init__(self, parent=None):
        super().__init__(parent)
        self._kept = {}
        self.node = self.scene = self.segmentation = self.activeEffectName = None
        self.hasShortcuts = self.observesViews = False
        self.history = slicer.vtkSegmentationHistory()
        self.effects = []

    @invokable
    def setEffectNameOrder(self, names):
        self.effects = list(names)

    @invokable
    def setMRMLSegmentEditorNode(self, node):
        assert node.IsA("vtkMRMLSegmentEditorNode")
        assert node.GetScene() is not None
        self.node = node

    @invokable
    def setMRMLScene(self, scene):
        assert self.node is not None, "the node comes first"
        self.scene = scene

    @invokable
    def setSegmentationNode(self, node):
        old, self.segmentation = self.segmentation, node
        assert old is None or old.GetScene() is not None, "it went while it was edited"
        assert node is None or (self.scene is not None and node.GetScene() is self.scene)
        self.node.SetAndObserveSegmentationNode(node)
        self.history.RemoveAllStates()
        self.history.SetSegmentation(node.GetSegmentation() if node else None)

    @invokable
    def setSourceVolumeNode(self, node):
        assert self.segmentation is not None
        self.node.SetAndObserveSourceVolumeNode(node)

    @invokable
    def setActiveEffectByName(self, name):
        self.activeEffectName, self.observesViews = name, True

    @invokable
    def setActiveEffect(self, effect):
        assert effect is None
        self.activeEffectName = None

    @invokable
    def removeViewObservations(self):
        self.observesViews = False

    @invokable
    def installKeyboardShortcuts(self):
        self.hasShortcuts = True

    @invokable
    def uninstallKeyboardShortcuts(self):
        self.hasShortcuts = False

    @invokable
    def saveStateForUndo(self):
        self.history.SaveState()

    @invokable
    def undo(self):
        self.history.RestorePreviousState()

    segmentationNodeSelectorVisible = kept("segmentationNodeSelectorVisible")
    sourceVolumeNodeSelectorVisible = kept("sourceVolumeNodeSelectorVisible")
    switchToSegmentationsButtonVisible = kept("switchToSegmentationsButtonVisible")
    unorderedEffectsVisible = kept("unorderedEffectsVisible")
    maximumNumberOfUndoStates = kept("maximumNumberOfUndoStates", int)


WIDGETS = (
    qMRMLWidget, ctkCollapsibleButton, ctkSliderWidget, qMRMLNodeComboBox, qMRMLSegmentEditorWidget,
)  # fmt: skip
