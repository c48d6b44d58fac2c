"""Stand-in for PythonQt: PySide6 objects behind the rules that PythonQt has in Slicer.

Imitated, as measured on a real build: properties are attributes and calling them fails; `.name` is
the object name; an unknown attribute raises AttributeError, on reading and on writing;
of a widget of CTK's or Slicer's own methods only slots and invokable ones (`invokable`) are there;
`connect("nosuch()", f)` returns False and raises nothing; exceptions in slots are printed (and kept
in `SLOT_ERRORS`, which a fixture looks at); a slot may take fewer arguments than its signal; enums
arrive as plain ints.
"""

import enum
import inspect
import traceback
from types import ModuleType

from PySide6 import QtCore, QtGui, QtWidgets

SLOT_ERRORS = []


INVOKABLE = set()


def invokable(method):
    """Mark a stand-in's method as one that the real class has as a slot or an invokable method."""
    INVOKABLE.add(method.__name__)
    return method


class Proxy:
    """One object as PythonQt shows it."""

    def __init__(self, target):
        object.__setattr__(self, "_target", target)
        object.__setattr__(self, "_slots", {})

    def __getattr__(self, name):
        target = self._target
        if name == "name":
            return target.objectName()
        if target.metaObject().indexOfProperty(name) >= 0:
            return wrap(target.property(name))
        value = getattr(target, name)
        if isinstance(value, QtCore.SignalInstance):
            return SignalProxy(value)
        isStandIn = getattr(value, "__func__", None) is not None or name in vars(target)
        if isStandIn and name not in INVOKABLE:
            raise AttributeError(f"{type(target).__name__} has no '{name}' in Slicer")
        if callable(value):
            return lambda *args: wrap(value(*map(unwrap, args)))
        return value

    def __setattr__(self, name, value):
        if self._target.metaObject().indexOfProperty(name) < 0:
            raise AttributeError(f"{type(self._target).__name__} has no property '{name}'")
        if not self._target.setProperty(name, unwrap(value)):
            raise ValueError(f"'{name}' does not take {value!r}")

    def __eq__(self, other):
        return unwrap(self) is unwrap(other)

    def __hash__(self):
        return id(self._target)

    def connect(self, signature, slot):
        """As PythonQt: False, and no word, for a signal that does not exist."""
        target = self._target
        foreign = getattr(target, "SIGNALS", {})
        if signature in foreign:
            getattr(target, foreign[signature]).connect(guarded(slot))
            return True
        normalized = QtCore.QMetaObject.normalizedSignature(signature).data().decode()
        if target.metaObject().indexOfSignal(normalized) < 0:
            return False
        name, arguments = normalized.split("(", 1)
        signal = getattr(target, name)
        self._slots[signature, slot] = guarded(slot, 0 if arguments == ")" else None)
        signal.connect(self._slots[signature, slot])
        return True

    def disconnect(self, signature: str, slot) -> bool:
        """As PythonQt: whether the slot was connected by `connect`."""
        signal = getattr(self._target, signature.split("(", 1)[0])
        known = self._slots.pop((signature, slot), None)
        return known is not None and signal.disconnect(known)


class SignalProxy:
    """`widget.valueChanged.connect(slot)`."""

    def __init__(self, signal):
        self._signal = signal
        self._guarded = {}

    def connect(self, slot):
        self._guarded[slot] = guarded(slot)
        self._signal.connect(self._guarded[slot])

    def disconnect(self, slot):
        self._signal.disconnect(self._guarded.pop(slot))


def guarded(slot, most=None):
    """A slot that gets as many arguments as it takes, and whose exceptions are printed and kept.

    As in PythonQt, one with `*args` gets all of them, whatever it wraps.
    """
    kinds = [
        each.kind for each in inspect.signature(slot, follow_wrapped=False).parameters.values()
    ]
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    count = sum(kind in positional for kind in kinds)
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        count = most
    elif most is not None:
        count = min(most, count)

    def call(*arguments):
        try:
            slot(*map(wrap, arguments[:count]))
        except Exception as error:  # noqa: BLE001
            traceback.print_exc()
            SLOT_ERRORS.append(error)

    return call


def wrap(value):
    if isinstance(value, enum.Enum):
        return value.value
    return Proxy(value) if isinstance(value, QtCore.QObject) else value


def unwrap(value):
    return value._target if isinstance(value, Proxy) else value


class ClassProxy:
    """A Qt class whose instances are proxies."""

    def __init__(self, kind):
        self._kind = kind

    def __call__(self, *arguments):
        return wrap(self._kind(*map(unwrap, arguments)))

    def __getattr__(self, name):
        return getattr(self._kind, name)

    def __mro_entries__(self, _bases):
        """A subclass is one of the real class."""
        return (self._kind,)


def makeQtModule():
    """The module `qt`, as far as the extension and `slicer.util` use it."""
    module = ModuleType("qt")
    module.Qt = QtCore.Qt
    names = {
        QtCore: "QTimer QProcess QFile QObject QUrl QEvent",
        QtGui: "QIcon QDesktopServices QPalette",
        QtWidgets: "QFileDialog QTableWidgetItem QWidget QApplication QHeaderView QMessageBox",
    }
    for library, words in names.items():
        for name in words.split():
            setattr(module, name, ClassProxy(getattr(library, name)))
    return module
