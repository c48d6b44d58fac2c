"""What CTest runs inside the Slicer application: the module's own test.

It has never been run in the application where this was written: no Slicer was at hand.
"""

from __future__ import annotations

from SkullStripSlicer.self_test import SkullStripTest

__all__ = ["SkullStripTest"]
