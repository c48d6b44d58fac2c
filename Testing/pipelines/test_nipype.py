"""The Nipype interface in a workflow that runs, with the bundled network on a made head."""

from dataclasses import fields

import nibabel
import numpy as np
import pytest

from skullstrip.options import Options
from Testing.image_files import save_head

engine = pytest.importorskip("nipype.pipeline.engine")
utility = pytest.importorskip("nipype.interfaces.utility")
TraitError = pytest.importorskip("traits.api").TraitError


def volume_ml(mask, qc=None):
    import nibabel
    import numpy as np

    image = nibabel.load(mask)
    return float(np.count_nonzero(image.dataobj) * abs(np.linalg.det(image.affine)) / 1000)


@pytest.fixture
def interface():
    from skullstrip.nipype import SkullStrip

    return SkullStrip


def test_every_option_is_a_trait_and_nothing_is_given_unless_set(interface):
    traits = set(interface().inputs.copyable_trait_names())
    assert traits == {option.name for option in fields(Options)} | {"in_file", "write"}
    assert interface().inputs.get_traitsfree() == {"write": ["brain", "mask"]}


@pytest.mark.parametrize(
    "wrong",
    [{"views": 2}, {"engine": "caffe"}, {"border_mm": "thick"}, {"keep_csf": "no"},
     {"write": ["bones"]}],
)  # fmt: skip
def test_a_trait_refuses_what_the_option_would(interface, wrong):
    with pytest.raises(TraitError):
        interface(**wrong)


@pytest.mark.parametrize("plugin", ["Linear", "MultiProc"])
def test_a_workflow_of_two_nodes_runs(interface, plugin, tmp_path):
    scan = save_head(tmp_path / "T1.nii", "PSR")
    asked = {"in_file": scan, "border_mm": -2.0, "keep_csf": False, "views": 1, "threads": 1}
    strip = engine.Node(interface(write=["mask", "qc"], **asked), "strip")
    measure = engine.Node(
        utility.Function(function=volume_ml, input_names=["mask", "qc"]), "measure"
    )
    workflow = engine.Workflow("two", base_dir=str(tmp_path))
    workflow.connect([(strip, measure, [("mask", "mask"), ("qc", "qc")])])
    done = {node.name: node.result for node in workflow.run(plugin, {"n_procs": 1}).nodes}
    mask = tmp_path / "two" / "strip" / "T1_brain_mask.nii"
    assert done["strip"].outputs.mask == str(mask)
    assert done["strip"].outputs.qc == str(mask.with_name("T1_qc.png"))
    np.testing.assert_array_equal(nibabel.load(mask).affine, nibabel.load(scan).affine)
    assert done["measure"].outputs.out == pytest.approx(volume_ml(mask))
    assert 500 < volume_ml(mask) < 1400
