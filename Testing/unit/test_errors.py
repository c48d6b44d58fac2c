"""What libraries say when memory is short is understood."""

import pytest

from skullstrip.errors import is_out_of_memory


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("std::bad_alloc"), True),
        (ImportError("libfoo.so: failed to map segment from shared object"), True),
        (RuntimeError("can't start new thread"), True),
        (OSError(12, "Cannot allocate memory"), True),
        (ValueError("no image"), False),
    ],
)
def test_memory_that_is_short_is_told_whatever_the_error(error, expected):
    assert is_out_of_memory(error) is expected
