"""Nipype: `from skullstrip.nipype import SkullStrip`, an interface that strips one scan.

Its traits are `Options` and what is to be written. Nipype is imported when the class is asked for,
which is then a name of this module, as pickles of workflows want it.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from .files import strip_file
from .options import Options
from .output_files import OUTPUTS, default_outputs

CLASSES = ("SkullStrip", "SkullStripInputSpec", "SkullStripOutputSpec")
# What each output is called behind the scan's name; images end as the scan does.
ENDINGS = {name: ending for name, (_, ending, _) in OUTPUTS.items() if name != "seg"}
DOCUMENTATION = """Find the brain in an MRI of the head, T1-weighted best.

Examples
--------
>>> strip = Node(SkullStrip(in_file="T1.nii.gz", border_mm=1.0, write=["mask", "qc"]), "strip")
"""


def __getattr__(name: str) -> Any:
    if name not in CLASSES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    globals().update(_classes())
    return globals()[name]


def _classes() -> dict[str, type]:
    from nipype.interfaces.base import File, SimpleInterface, TraitedSpec, traits

    named = traits.List(
        traits.Enum(*ENDINGS), ["brain", "mask"], usedefault=True, desc="what is written"
    )
    scan = File(exists=True, mandatory=True, desc="the scan: a whole head, T1-weighted best")
    options = {option.name: _trait(option, traits) for option in fields(Options)}
    inputs = {"in_file": scan, "write": named, **options}
    outputs = {
        name: File(desc=f"where asked for in `write`: <scan>{ENDINGS[name]}") for name in ENDINGS
    }
    names = {"__module__": __name__}
    input_spec = type("SkullStripInputSpec", (TraitedSpec,), names | inputs)
    output_spec = type("SkullStripOutputSpec", (TraitedSpec,), names | outputs)
    content = {
        "__doc__": DOCUMENTATION,
        "input_spec": input_spec,
        "output_spec": output_spec,
        "_run_interface": _run_interface,
    }
    interface = type("SkullStrip", (SimpleInterface,), names | content)
    return dict(zip(CLASSES, (interface, input_spec, output_spec), strict=True))


def _trait(option: Any, traits: Any) -> Any:
    """Return the trait of an option; left alone, it leaves the option its default."""
    kinds = {"bool": traits.Bool, "float": traits.Float, "int | None": traits.Int}
    text = f"default {option.default}; {option.metadata['flags']}: {option.metadata['help']}"
    if choices := option.metadata.get("choices"):
        return traits.Enum(*choices, desc=text)
    return kinds.get(option.type, traits.Str)(desc=text)


def _run_interface(self: Any, runtime: Any) -> Any:
    given = self.inputs.get_traitsfree()
    scan, write = Path(given.pop("in_file")), given.pop("write")
    stem, suffix = default_outputs(scan)["brain"].name.rsplit(ENDINGS["brain"], 1)
    files: dict[str, Any] = {
        name: Path(runtime.cwd) / f"{stem}{ENDINGS[name]}{'' if '.' in ENDINGS[name] else suffix}"
        for name in write
    }
    strip_file(scan, Options(**given), **files)
    self._results.update({name: str(path) for name, path in files.items()})
    return runtime
