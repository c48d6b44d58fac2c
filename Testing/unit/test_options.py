"""One object says how a scan is stripped; every face makes it, none has options of its own."""

import argparse
import json
from dataclasses import fields, replace

import numpy as np
import pytest

from skullstrip.cli.common import add_options, options_of
from skullstrip.errors import InputError
from skullstrip.options import Options
from Testing.stand_ins import ThresholdEngine

OTHER = Options(
    border_mm=-1.5, keep_csf=False, reorient=True, views=3, engine="jax", device="cpu", threads=2,
    weights="w", register="rigid",
)  # fmt: skip


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("", Options()),
        (
            "--border -1.5 --no-csf --reorient --views 3 --engine jax --device cpu --threads 2 "
            "--weights w --register rigid",
            OTHER,
        ),
    ],
)
def test_the_command_has_an_argument_for_each_option(words, options):
    assert all(getattr(OTHER, option.name) != option.default for option in fields(Options))
    parser = argparse.ArgumentParser()
    add_options(parser)
    assert options_of(parser.parse_args(words.split()), Options) == options


def test_options_come_back_from_their_json_and_what_is_left_out_has_its_default():
    assert Options.from_json(json.loads(json.dumps(OTHER.to_json()))) == OTHER
    assert Options.from_json({"border_mm": 2}) == Options(border_mm=2.0)
    numpys = Options(border_mm=np.float32(2), views=np.int64(1), threads=np.uint8(4))
    assert json.loads(json.dumps(numpys.to_json())) == Options(2.0, views=1, threads=4).to_json()
    loaded = Options(engine=ThresholdEngine())
    assert loaded.to_json()["engine"] == ThresholdEngine().name


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"border_mm": float("nan")}, "border is nan"),
        ({"border_mm": "thick"}, "border is 'thick'"),
        ({"border_mm": 1e308}, r"border is 1e\+308; .* between -100 and 100\."),
        ({"keep_csf": "no"}, "'no' for keep_csf"),
        ({"reorient": "auto"}, "'auto' for reorient"),
        ({"border_mm": True}, "border is True"),
        ({"views": "1"}, "number of views is '1'; use auto, 1 or 3"),
        ({"views": True}, "number of views is True"),
        ({"views": 1.0}, r"number of views is 1\.0"),
        ({"engine": "caffe"}, "engine 'caffe' is unknown; use one of auto, onnxruntime"),
        ({"register": "affine"}, "registration 'affine' is unknown; use one of rigid"),
        ({"device": "tpu"}, "device 'tpu' is unknown"),
        ({"threads": 0}, "number of threads is 0"),
        ({"threads": 1.5}, r"number of threads is 1\.5"),
        ({"weights": 5}, "weights are 5"),
        ({"speed": 1}, "option 'speed' is unknown"),
    ],
)
def test_what_makes_no_sense_is_refused_wherever_it_comes_from(options, words):
    with pytest.raises(InputError, match=words):
        Options.from_json(options)


def test_the_digest_changes_with_what_changes_the_outputs_and_with_nothing_else():
    same = replace(OTHER, engine="auto", device="auto", threads=None, weights=None)
    assert same.digest("hash", "calibration") == OTHER.digest("hash", "calibration")
    others = [{"border_mm": 1.0}, {"keep_csf": True}, {"reorient": False}, {"views": 1},
              {"register": None}]  # fmt: skip
    digests = {replace(OTHER, **other).digest("hash", "calibration") for other in others}
    changed = {OTHER.digest("another", "calibration"), OTHER.digest("hash", "another")}
    assert len(digests | {OTHER.digest("hash", "calibration"), *changed}) == len(others) + 3
