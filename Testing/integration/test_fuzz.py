"""Hypothesis damages image files; `python -m Testing.fuzz` does the same for longer."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from Testing import fuzz
from Testing.stand_ins import write_stand_in_weights

EXAMPLES = 120
KINDS = (*fuzz.SUFFIXES, *fuzz.MADE)
EDITS = st.lists(
    st.builds(fuzz.Edit, st.sampled_from(fuzz.KINDS), st.floats(0, 1), st.integers(0, 2**16 - 1)),
    min_size=1,
    max_size=3,
)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """Sound files by their ending, and the stand-in network's weights."""
    folder = tmp_path_factory.mktemp("seeds")
    (folder / "weights").mkdir()
    weights = write_stand_in_weights(folder / "weights")
    return fuzz.write_seeds(folder), weights


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_file_of_every_format_is_stripped(tmp_path, seeds, kind):
    files, weights = seeds
    assert fuzz.strip_damaged(files[kind], [], weights, tmp_path) == "stripped"


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(kind=st.sampled_from(KINDS), edits=EDITS)
def test_a_damaged_file_is_stripped_or_refused_and_nothing_else(seeds, kind, edits):
    files, weights = seeds
    with tempfile.TemporaryDirectory() as folder:
        assert fuzz.strip_damaged(files[kind], edits, weights, Path(folder)) in (
            "stripped",
            "refused",
        )
