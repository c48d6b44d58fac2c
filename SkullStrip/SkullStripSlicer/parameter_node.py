"""Every setting of the panel, typed, saved with the scene and bound to the widgets of the .ui."""

from __future__ import annotations

import enum
from typing import Annotated

import slicer
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from skullstrip.options import Options

from .border import MAX_BORDER_MM, MIN_BORDER_MM


class Choice(enum.Enum):
    """One of a few values, with the words for it."""

    def label(self) -> str:
        """Shown in the panel."""
        return {
            "AUTO": _("Automatic"),
            "ONNXRUNTIME": "ONNX Runtime",
            "TENSORFLOW": "TensorFlow",
            "CPU": _("Processor (CPU)"),
            "GPU": _("Graphics card (GPU)"),
            "ONE": _("One direction"),
            "THREE": _("Three directions, twice the slices"),
        }[self.name]


class EngineChoice(Choice):
    """What runs the network."""

    AUTO = "auto"
    ONNXRUNTIME = "onnxruntime"
    TENSORFLOW = "tensorflow"


class DeviceChoice(Choice):
    """Where the network runs."""

    AUTO = "auto"
    CPU = "cpu"
    GPU = "gpu"


class ViewsChoice(Choice):
    """Along how many axes the slices run."""

    AUTO = "auto"
    ONE = 1
    THREE = 3


@parameterNodeWrapper
class SkullStripParameterNode:
    """Settings of the panel; empty text stands for the default."""

    # The scan; the one that is shown, until the user picks another.
    inputVolume: slicer.vtkMRMLScalarVolumeNode
    followActive: bool = True
    # How the result is shown.
    borderMm: Annotated[float, WithinRange(MIN_BORDER_MM, MAX_BORDER_MM)] = 0.0
    invert: bool = False
    showSurface: bool = False
    # Volumes made beside it.
    makeBrain: bool = False
    makeProbability: bool = False
    makeConfidence: bool = False
    # How a scan is stripped, and by what.
    keepCsf: bool = True
    reorient: bool = False
    engine: EngineChoice = EngineChoice.AUTO
    device: DeviceChoice = DeviceChoice.AUTO
    views: ViewsChoice = ViewsChoice.AUTO
    weights: str = ""
    wheels: str = ""
    align: bool = False  # of "Also strip"
    batchInput: str = ""
    batchOutput: str = ""


def runOptions(parameterNode) -> Options:
    """Return how a scan is stripped, as the panel says."""
    return Options(
        border_mm=parameterNode.borderMm,
        keep_csf=parameterNode.keepCsf,
        reorient=parameterNode.reorient,
        views=parameterNode.views.value,
        engine=parameterNode.engine.value,
        device=parameterNode.device.value,
        weights=parameterNode.weights.strip() or None,
    )
