"""Settings of the panel: bound to their widgets, saved with the scene, tied to the chosen scan."""

import dataclasses
import re
from xml.etree import ElementTree

import pytest

pytest.importorskip("PySide6")
from skullstrip.options import Options
from SkullStripSlicer import outputs
from Testing.slicer import application_stand_in as application
from Testing.slicer.panel_fixtures import strip
from Testing.slicer.pythonqt import unwrap
from Testing.slicer.scene import addVolume

CHANGES = {
    "makeBrain": ("brainCheckBox", "checked", True),
    "makeProbability": ("probabilityCheckBox", "checked", True),
    "makeConfidence": ("confidenceCheckBox", "checked", True),
    "keepCsf": ("csfCheckBox", "checked", False),
    "reorient": ("reorientCheckBox", "checked", True),
    "invert": ("invertButton", "checked", True),
    "showSurface": ("surfaceButton", "checked", True),
    "borderMm": ("borderSlider", "value", 2.5),
    "engine": ("engineSelector", "currentIndex", 2),
    "device": ("deviceSelector", "currentIndex", 1),
    "views": ("viewsSelector", "currentIndex", 1),
    "weights": ("weightsEdit", "text", "folder"),
    "wheels": ("wheelsEdit", "text", "folder"),
    "align": ("alignCheck", "checked", True),
    "batchInput": ("batchInputEdit", "text", "folder"),
    "batchOutput": ("batchOutputEdit", "text", "folder"),
}


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_a_setting_and_its_widget_follow_each_other(widget, name):
    widgetName, attribute, value = CHANGES[name]
    control, node = getattr(widget.ui, widgetName), widget._parameterNode
    old, oldShown = getattr(node, name), getattr(control, attribute)
    setattr(control, attribute, value)
    changed = getattr(node, name)
    assert changed != old
    setattr(node, name, old)
    assert getattr(control, attribute) == oldShown
    setattr(node, name, changed)
    assert getattr(control, attribute) == value


def test_every_setting_is_bound_or_set_by_the_panel_itself(widget):
    bound = {w.property("SlicerParameterName") for w in vars(widget.ui).values()} - {None}
    assert bound == {*CHANGES, "inputVolume"}
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
        assert name in CHANGES or name in ("threads", "register")  # which is of "Also strip"
        for choice in choices.get(option.name, ()):
            assert choice.value in option.metadata["choices"]


def test_settings_and_result_return_with_a_saved_scene(widget, scene, tmp_path):
    widget._parameterNode.makeBrain = True
    widget.ui.engineSelector.currentIndex = 2
    strip(widget)
    shown = widget.ui.resultLabel.text
    path = str(tmp_path / "scene.mrb")
    assert scene.WriteToMRB(path, None)
    scene.Clear(0)
    assert not widget.ui.resultBox.visible
    assert scene.ReadFromMRB(path, True)
    node = widget._parameterNode
    assert node.makeBrain
    assert node.engine.value == "tensorflow"
    assert widget.ui.resultLabel.text == shown
    widget.ui.borderSlider.value = 2.0
    assert widget.ui.resultLabel.text != shown


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
    assert set(fixed) == {*CHANGES, "inputVolume", "vtkMRMLScalarVolumeNode", *keys}
