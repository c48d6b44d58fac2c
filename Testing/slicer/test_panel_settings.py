"""Settings of the panel: bound to their widgets, saved with the scene, tied to the chosen scan."""

import dataclasses
import re
from xml.etree import ElementTree

from skullstrip.options import Options
from SkullStripSlicer import outputs
from Testing.slicer import application_stand_in as application
from Testing.slicer.panel_fixtures import strip
from Testing.slicer.pythonqt import unwrap
from Testing.slicer.scene import addVolume

BOUND = {
    "inputVolume", "makeBrain", "makeProbability", "makeConfidence", "keepCsf", "reorient",
    "invert", "showSurface", "borderMm", "engine", "device", "views", "weights", "wheels", "align",
    "batchInput", "batchOutput",
}  # fmt: skip


def test_every_setting_is_bound_or_set_by_the_panel_itself(widget):
    bound = {w.property("SlicerParameterName") for w in vars(widget.ui).values()} - {None}
    assert bound == BOUND
    assert set(type(widget._parameterNode)._hints) - bound == {"followActive"}


def test_the_panel_sets_every_option_of_the_method_but_the_threads(widget):
    from SkullStripSlicer import parameter_node

    assert parameter_node.runOptions(widget._parameterNode) == Options()
    choices = {
        "engine": parameter_node.EngineChoice,
        "device": parameter_node.DeviceChoice,
        "views": parameter_node.ViewsChoice,
    }
    for option in dataclasses.fields(Options):
        name = re.sub("_(.)", lambda match: match[1].upper(), option.name)
        assert name in BOUND or name in ("threads", "register")  # which is of "Also strip"
        for choice in choices.get(option.name, ()):
            assert choice.value in option.metadata["choices"]


def test_the_result_shown_is_that_of_the_chosen_scan(widget, volume, scene, head):
    other = addVolume(scene, head.array, head.affine, "other")
    widget.ui.borderSlider.value = 2.0
    first = strip(widget)
    widget._parameterNode.inputVolume = other
    assert not widget.ui.resultBox.visible
    widget.ui.borderSlider.value = -1.0
    second = strip(widget)
    assert second is not first
    widget._parameterNode.inputVolume = volume
    assert widget.resultPanel.segmentation is first
    assert widget.ui.borderSlider.value == 2.0
    assert outputs.readState(second)["borderMm"] == -1.0


def test_every_text_can_be_translated(widget):
    """Texts that the code sets went through `_()`; those of the .ui are translated by Qt."""
    strip(widget)
    shown = {widget.ui.stripButton.text, widget.ui.detailsLabel.text.splitlines()[1]}
    shown |= {widget.ui.engineSelector.itemText(0), widget.ui.viewsSelector.itemText(1)}
    table = unwrap(widget.ui.batchTable)
    shown |= {table.horizontalHeaderItem(i).text() for i in range(table.columnCount())}
    assert shown <= application.TRANSLATED
    ui = ElementTree.parse(application.MODULE / "Resources" / "UI" / "SkullStrip.ui")
    fixed = [e.text for e in ui.iter("string") if e.get("notr") == "true"]
    keys = {f"Alt+{key}" for key in "APNRS"}
    assert set(fixed) == {*BOUND, "vtkMRMLScalarVolumeNode", *keys}
