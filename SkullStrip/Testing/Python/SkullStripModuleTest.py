"""What CTest runs inside the Slicer application: the module's own test."""

from __future__ import annotations

from SkullStripSlicer.self_test import SkullStripTest

__all__ = ["SkullStripTest"]
