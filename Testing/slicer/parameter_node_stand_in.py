"""Stand-in for `slicer.parameterNodeWrapper`, which `slicer-core` lacks.

Values live in a real `vtkMRMLScriptedModuleNode`, nodes as real node references, so that saving and
loading a scene is real. Widgets are told apart by exact type and bound by `SlicerParameterName`,
with the properties and signals that the real wrapper uses; a type and widget that the real one does
not connect fail here as well.
"""

import enum
import json
import typing
from types import ModuleType

import slicer
import vtk

# Of each type and widget that are connected: the signal, and the property that holds the value.
CONNECTED = {
    (bool, "QCheckBox"): ("stateChanged", "checked"),
    (bool, "QPushButton"): ("toggled", "checked"),
    (float, "ctkSliderWidget"): ("valueChanged", "value"),
    (str, "QLineEdit"): ("textChanged", "text"),
    (enum.Enum, "QComboBox"): ("currentIndexChanged", "currentIndex"),
    (slicer.vtkMRMLNode, "qMRMLNodeComboBox"): ("currentNodeChanged", None),
}


class WithinRange:
    def __init__(self, minimum, maximum):
        self.minimum, self.maximum = minimum, maximum


def parameterNodeWrapper(kind):
    hints = typing.get_type_hints(kind, include_extras=True)
    for name, hint in hints.items():
        default = getattr(kind, name, None)
        setattr(kind, name, property(_getter(name, hint, default), _setter(name, hint)))
    kind.__init__ = _init
    kind.connectGui, kind.disconnectGui = _connectGui, _disconnectGui
    kind.StartModify = lambda self: self.parameterNode.StartModify()
    kind.EndModify = lambda self, was: self.parameterNode.EndModify(was)
    kind.AddObserver = lambda self, *args: self.parameterNode.AddObserver(*args)
    kind.RemoveObserver = lambda self, tag: self.parameterNode.RemoveObserver(tag)
    kind._hints = hints
    return kind


def _init(self, parameterNode):
    self.parameterNode = parameterNode
    self._connections = {}
    self._updatingGUIFromParameterNode = False


def _plain(hint):
    return typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint


def _getter(name, hint, default):
    kind = _plain(hint)

    def get(self):
        node = self.parameterNode
        if issubclass(kind, slicer.vtkMRMLNode):
            return node.GetNodeReference(name)
        if node.GetParameter(name) == "":
            return default
        value = json.loads(node.GetParameter(name))
        return kind[value] if issubclass(kind, enum.Enum) else kind(value)

    return get


def _setter(name, hint):
    kind = _plain(hint)

    def set_(self, value):
        if issubclass(kind, slicer.vtkMRMLNode):
            nodeId = value.GetID() if value is not None else None
            if self.parameterNode.GetNodeReferenceID(name) != nodeId:
                self.parameterNode.SetNodeReferenceID(name, nodeId)
                self.parameterNode.Modified()
            return
        if not isinstance(value, kind):
            raise TypeError(f"{name} is {value!r}, not a {kind.__name__}")
        for limits in getattr(hint, "__metadata__", ()):
            if not limits.minimum <= value <= limits.maximum:
                raise ValueError(f"{name} is {value}")
        text = value.name if issubclass(kind, enum.Enum) else value
        self.parameterNode.SetParameter(name, json.dumps(text))

    return set_


class _Connector:
    """One widget and one parameter: how to read, write and hear of the widget."""

    def __init__(self, widget, hint):
        kind, className, self.widget = _plain(hint), widget.metaObject().className(), widget
        known = [key for key in CONNECTED if key[1] == className and issubclass(kind, key[0])]
        if not known:
            raise TypeError(f"no connector for {hint} to {className}")
        signal, self.attribute = CONNECTED[known[0]]
        self.choices = list(kind) if issubclass(kind, enum.Enum) else []
        if self.choices:
            widget.clear()
            for choice in self.choices:
                widget.addItem(choice.label())
        elif self.attribute is None:
            widget.nodeTypes = [kind.__name__]
        elif kind is float:
            (limits,) = hint.__metadata__
            widget.minimum, widget.maximum = limits.minimum, limits.maximum
        elif className == "QPushButton" and not widget.checkable:
            raise TypeError(f"{widget.name} is not checkable")
        self.signal = getattr(widget, signal)

    def read(self):
        if self.attribute is None:
            return self.widget.currentNode()
        value = getattr(self.widget, self.attribute)
        return self.choices[value] if self.choices else value

    def write(self, value):
        if self.attribute is None:
            self.widget.setCurrentNode(value)
        else:
            shown = self.choices.index(value) if self.choices else value
            setattr(self.widget, self.attribute, shown)


def _connectGui(self, ui):
    bound, slots = {}, {}
    for widget in vars(ui).values():
        name = widget.property("SlicerParameterName")
        if name:
            bound[name] = _Connector(widget, self._hints[name])
    for name, connector in bound.items():
        connector.write(getattr(self, name))
        slots[name] = _guiChanged(self, name, connector)
        connector.signal.connect(slots[name])
    tag = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: _updateGui(self, bound))
    self._connections[tag] = (bound, slots)
    return tag


def _guiChanged(self, name, connector):
    def changed():
        if not self._updatingGUIFromParameterNode:
            with slicer.util.NodeModify(self):
                setattr(self, name, connector.read())

    return changed


def _updateGui(self, bound):
    if self._updatingGUIFromParameterNode:
        return
    self._updatingGUIFromParameterNode = True
    try:
        with slicer.util.NodeModify(self):
            for name, connector in bound.items():
                connector.write(getattr(self, name))
    finally:
        self._updatingGUIFromParameterNode = False


def _disconnectGui(self, tag):
    bound, slots = self._connections.pop(tag)
    self.RemoveObserver(tag)
    for name, connector in bound.items():
        connector.signal.disconnect(slots[name])


def makeModule():
    module = ModuleType("slicer.parameterNodeWrapper")
    module.parameterNodeWrapper, module.WithinRange = parameterNodeWrapper, WithinRange
    return module
