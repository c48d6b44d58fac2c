"""Whether to believe a mask: verdict with reasons, estimated Dice, confidence of every voxel."""

from __future__ import annotations

from .plausible import judge

__all__ = ["judge"]
