"""The icon that Slicer shows is the drawing beside it."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("PySide6.QtSvg")
from PySide6.QtGui import QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

SIDE = 128
TOLERANCE = 4.0  # grey levels of 255 in the mean; renderers smooth edges differently


def values(picture: QImage) -> np.ndarray:
    picture = picture.convertToFormat(QImage.Format.Format_RGBA8888)
    return np.frombuffer(picture.constBits(), dtype=np.uint8).astype(float)


def test_the_png_icon_is_drawn_from_the_svg(root) -> None:
    icons = root / "SkullStrip" / "Resources" / "Icons"
    drawn = QImage(SIDE, SIDE, QImage.Format.Format_ARGB32)
    drawn.fill(0)
    painter = QPainter(drawn)
    QSvgRenderer(str(icons / "SkullStrip.svg")).render(painter)
    painter.end()
    kept = QImage(str(icons / "SkullStrip.png"))
    assert (kept.width(), kept.height()) == (SIDE, SIDE)
    assert np.abs(values(drawn) - values(kept)).mean() < TOLERANCE
