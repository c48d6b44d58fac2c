"""Stand-in for `slicer.parameterNodeWrapper`, which `slicer-core` lacks.

Values live in a real `vtkMRMLScriptedModuleNode`, nodes as real node references, so that saving and
loading a scene is real. Widgets are told apart by exact type and bound by `SlicerParameterName`,
with the properties and signals that the real wrapper uses; a type and widget that the real one does
not connect fail here as well.
"""

import enum
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


class Parameter:
    """One setting, as an attribute of a wrapper."""

    def __init__(self, name, hint, default):
        self.kind, *self.limits = typing.get_args(hint) or (hint,)
        self.name, self.default = name, default
        self.isNode = issubclass(self.kind, slicer.vtkMRMLNode)
        self.choices = list(self.kind) if issubclass(self.kind, enum.Enum) else []

    def __get__(self, wrapper, _kind):
        if self.isNode:
            return wrapper.parameterNode.GetNodeReference(self.name)
        text = wrapper.parameterNode.GetParameter(self.name)
        if text == "":
            return self.default
        if not self.choices:
            return text == "True" if self.kind is bool else self.kind(text)
        if text not in self.kind.__members__:
            raise ValueError(f"Found '{text}' in parameter node but it is not one of {self.kind}")
        return self.kind[text]

    def __set__(self, wrapper, value):
        node = wrapper.parameterNode
        if self.isNode:
            nodeId = value.GetID() if value is not None else None
            if node.GetNodeReferenceID(self.name) != nodeId:
                node.SetNodeReferenceID(self.name, nodeId)
                node.Modified()
            return
        if not isinstance(value, self.kind):
            raise TypeError(f"{self.name} is {value!r}, not a {self.kind.__name__}")
        if not all(limits.minimum <= value <= limits.maximum for limits in self.limits):
            raise ValueError(f"{self.name} is {value}")
        node.SetParameter(self.name, value.name if self.choices else str(value))


class Connector:
    """A parameter's widget: how to read, write and hear of it."""

    def __init__(self, widget, parameter):
        kind, className = parameter.kind, widget.metaObject().className()
        known = [key for key in CONNECTED if key[1] == className and issubclass(kind, key[0])]
        if not known:
            raise TypeError(f"no connector for {kind} to {className}")
        signal, self.attribute = CONNECTED[known[0]]
        self.widget, self.choices = widget, parameter.choices
        if self.choices:
            widget.clear()
            for choice in self.choices:
                widget.addItem(choice.label())
        elif parameter.isNode:
            widget.nodeTypes = [kind.__name__]
        elif kind is float:
            (limits,) = parameter.limits
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


class Wrapper:
    """What a class of parameters becomes."""

    StartModify = property(lambda self: self.parameterNode.StartModify)
    EndModify = property(lambda self: self.parameterNode.EndModify)
    AddObserver = property(lambda self: self.parameterNode.AddObserver)
    RemoveObserver = property(lambda self: self.parameterNode.RemoveObserver)

    def __init__(self, parameterNode):
        self.parameterNode = parameterNode
        self._connections = {}
        self._updatingGUIFromParameterNode = False
        for name in self.parameters:
            getattr(self, name)  # the real one reads all at once, and raises what is wrong

    def connectGui(self, ui):
        bound, slots = {}, {}
        for widget in vars(ui).values():
            name = widget.property("SlicerParameterName")
            if name:
                bound[name] = Connector(widget, self.parameters[name])
        for name, connector in bound.items():
            connector.write(getattr(self, name))
            slots[name] = self._changedBy(name, connector)
            connector.signal.connect(slots[name])
        tag = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._updateGui(bound))
        self._connections[tag] = (bound, slots)
        return tag

    def disconnectGui(self, tag):
        bound, slots = self._connections.pop(tag)
        self.RemoveObserver(tag)
        for name, connector in bound.items():
            connector.signal.disconnect(slots[name])

    def _changedBy(self, name, connector):
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


def parameterNodeWrapper(kind):
    hints = typing.get_type_hints(kind, include_extras=True)
    parameters = {
        name: Parameter(name, hint, getattr(kind, name, None)) for name, hint in hints.items()
    }
    return type(kind.__name__, (Wrapper,), {**parameters, "parameters": parameters})


def makeModule():
    module = ModuleType("slicer.parameterNodeWrapper")
    module.parameterNodeWrapper, module.WithinRange = parameterNodeWrapper, WithinRange
    return module
