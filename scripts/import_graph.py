"""Draw which room of the library imports which, from the layers in pyproject.toml.

python -m scripts.import_graph docs/rooms.svg
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

PACKAGE = "skullstrip"
WIDTH, HEIGHT, BOX = 3.0, 1.25, (2.3, 0.62)  # of a place and of its box, in drawing units
INK, FILL = "#37474f", "#eceff1"


def layers(root: Path) -> list[list[str]]:
    """Return the rooms of each layer, the highest first, without the lowest, which all may use."""
    import tomllib

    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    (contract, *_) = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    return [[name.strip() for name in layer.split("|")] for layer in contract["layers"][:-1]]


def room_imports(rooms: list[str]) -> set[tuple[str, str]]:
    """Return who imports whom, as pairs of rooms."""
    import grimp

    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    for room in rooms:
        if graph.find_children(f"{PACKAGE}.{room}"):
            graph.squash_module(f"{PACKAGE}.{room}")
    return {
        (one, other)
        for one in rooms
        for other in rooms
        if graph.direct_import_exists(importer=f"{PACKAGE}.{one}", imported=f"{PACKAGE}.{other}")
    }


def draw(levels: list[list[str]], imports: set[tuple[str, str]], target: Path) -> None:
    """Draw boxes in layers, and an arrow for each import that no longer way stands for."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    places: dict[str, tuple[float, float]] = {}
    for number, level in enumerate(levels):
        for index, name in enumerate(level):
            places[name] = ((index - (len(level) - 1) / 2) * WIDTH, -number * HEIGHT)
    figure, axes = plt.subplots(figsize=(6, 7))
    for name, (x, y) in places.items():
        style: dict[str, Any] = {"boxstyle": "round,pad=0.3", "fc": FILL, "ec": INK}
        axes.text(x, y, name, ha="center", va="center", color=INK, size=11, bbox=style, zorder=3)
    for one, other in sorted(shortest(imports)):
        (x, y), (to_x, to_y) = places[one], places[other]
        bend = 0.0 if abs(x - to_x) > 0.1 or y - to_y < 1.5 * HEIGHT else 0.2
        axes.annotate(
            "", (to_x, to_y + BOX[1] / 2), (x, y - BOX[1] / 2), zorder=2,
            arrowprops={
                "arrowstyle": "-|>", "color": INK, "lw": 0.9,
                "connectionstyle": f"arc3,rad={bend}",
            },
        )  # fmt: skip
    axes.set_xlim(-1.5 * WIDTH, 1.5 * WIDTH)
    axes.set_ylim(-(len(levels) - 0.4) * HEIGHT, 0.6 * HEIGHT)
    axes.axis("off")
    mpl.rcParams["svg.hashsalt"] = PACKAGE  # the same file every time
    figure.savefig(target, bbox_inches="tight", metadata={"Date": None})


def shortest(imports: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Leave out an import that other rooms between the two make as well, to keep it readable."""

    def reaches(one: str, other: str, without: tuple[str, str]) -> bool:
        after = [b for a, b in imports if a == one and (a, b) != without]
        return other in after or any(reaches(step, other, without) for step in after)

    return {pair for pair in imports if not reaches(*pair, without=pair)}


def main(argv: list[str] | None = None) -> int:
    """Draw into the file that is named."""
    words = sys.argv[1:] if argv is None else argv
    target = Path(words[0] if words else "docs/rooms.svg")
    levels = layers(Path(__file__).resolve().parents[1])
    draw(levels, room_imports([name for level in levels for name in level]), target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
