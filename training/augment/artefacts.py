"""What scanners, protocols, diseases and anonymisers do to a head.

Each function takes an image (H, W, 3) float32 of about [0, 1] and a generator, and returns an
image; `cropped` returns the mask too, because some brain is then no longer there.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def bias_field(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Smooth multiplicative shading, as of a receive coil."""
    field = smooth_noise(image.shape[:2], rng.uniform(0.01, 0.03), rng)
    return image * np.exp(rng.uniform(0, 0.35) * field)[..., None]


def tone_curve(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another contrast by a gamma curve, and another window."""
    gamma, gain = np.exp(rng.normal(0, (0.3, 0.12))).astype(np.float32)
    return np.clip(image, 0, None) ** gamma * gain


def remapped_contrast(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Map intensities by a curve that need not rise: other sequences, unmyelinated brains."""
    knots = np.linspace(0, 1, 6)
    values = rng.uniform(0, 1, 6)
    values[0] *= 0.15  # air mostly stays dark
    return np.interp(np.clip(image, 0, 1), knots, values).astype(np.float32)


def rician_noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Magnitude of a complex signal with Gaussian noise (Gudbjartsson and Patz, 1995)."""
    weak = rng.random() < 0.06  # a scanner of low field
    spread = np.float32(rng.uniform(0.08, 0.16) if weak else abs(rng.normal(0, 0.045)))
    real = image + spread * rng.standard_normal(image.shape, dtype=np.float32)
    imaginary = spread * rng.standard_normal(image.shape, dtype=np.float32)
    return np.sqrt(real * real + imaginary * imaginary)


def low_resolution(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Large pixels, interpolated back."""
    factor = rng.uniform(1.1, 2.8)
    return resampled(image, (factor, factor))


def thick_slices(image: np.ndarray, pixel_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Slices of 2 to 7 mm along one in-plane axis, at times with gaps, interpolated back."""
    factor = max(1.0, rng.uniform(2.0, 7.0) / pixel_mm)
    axis = int(rng.integers(2))
    share = 1.0 if rng.random() < 0.6 else rng.uniform(0.4, 1.0)  # of the way that is no gap
    factors = (factor, 1.0) if axis == 0 else (1.0, factor)
    return resampled(image, factors, share)


def resampled(image: np.ndarray, factors: tuple[float, float], share: float = 1.0) -> np.ndarray:
    """Average over `share` of larger pixels and interpolate linearly between them."""
    import cv2

    height, width = image.shape[:2]
    size = (max(8, round(width / factors[1])), max(8, round(height / factors[0])))
    if share == 1:
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    else:
        kernel = tuple(max(1, round(factor * share)) for factor in reversed(factors))
        small = cv2.resize(cv2.blur(image, kernel), size, interpolation=cv2.INTER_NEAREST)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def dropout(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Signal lost near air and metal, as in gradient echoes."""
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    centre = rng.uniform(0.15, 0.85, 2) * image.shape[:2]
    distance = np.hypot(rows - centre[0], columns - centre[1]) / rng.uniform(0.04, 0.15)
    lost = np.exp(-((distance / image.shape[0]) ** 2)) * rng.uniform(0.4, 1.0)
    return image * (1 - lost[..., None].astype(np.float32))


def thick_planes(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Neighbouring planes run into each other, as interpolation of thick slices makes them."""
    mean = image.mean(axis=-1, keepdims=True)
    share = np.float32(rng.uniform(0.3, 1.0))
    return image * (1 - share) + mean * share


def blurred(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gaussian blur."""
    import cv2

    return cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.2)))


def ghosted(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Faint shifted copies along the phase-encoding axis, as of motion."""
    axis = int(rng.integers(2))
    shift = int(image.shape[axis] / rng.integers(2, 7))
    copies = np.roll(image, shift, axis) + np.roll(image, -shift, axis)
    return image + np.float32(rng.uniform(0.02, 0.15)) * copies


def noisy_air(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bright noise where there is no signal, as in MP2RAGE."""
    noise = rng.random(image.shape, dtype=np.float32) * np.float32(rng.uniform(0.3, 1.0))
    return np.where(image < 0.04, noise, image)


def enhanced_lines(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Thin bright curves, as vessels and meninges after contrast agent."""
    field = smooth_noise(image.shape[:2], rng.uniform(0.03, 0.10), rng)
    lines = (np.abs(field) < rng.uniform(0.03, 0.12)) & (image[..., 1] > 0.08)
    bright = np.float32(rng.uniform(0.7, 1.2))
    return np.where(lines[..., None], bright, image)


def lesion(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Paint a blob of another intensity in the brain: stroke, tumour, cavity, plaque, blood."""
    inside = np.argwhere(mask)
    if len(inside) < 50:
        return image
    if rng.random() < 0.3:  # at the surface
        inside = np.argwhere(mask & ~ndimage.binary_erosion(mask))
    centre = inside[rng.integers(len(inside))]
    radius = rng.uniform(4, 40)
    rows, columns = np.ogrid[: mask.shape[0], : mask.shape[1]]
    distance = np.hypot(rows - centre[0], columns - centre[1]) / radius
    rough = 0.5 * smooth_noise(mask.shape, 3 / max(radius, 12), rng)
    depth = np.clip((1 - distance + rough) * radius / 3, 0, 1) * mask
    weight = (depth * rng.uniform(0.5, 1.0)).astype(np.float32)[..., None]
    look = np.float32(rng.uniform(0, 1.1))
    if rng.random() < 0.3:  # a rim that takes up contrast agent
        look = look + np.float32(0.8) * (np.abs(distance + rough - 0.9) < 0.12)[..., None]
    return (image * (1 - weight) + look * weight).astype(np.float32)


def cropped(
    image: np.ndarray, mask: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """End the field of view inside the head, on one or two sides; some writers fill it."""
    image, mask = image.copy(), mask.copy()
    fill = 0.0 if rng.random() < 0.8 else rng.uniform(0, 1)
    for _ in range(rng.integers(1, 3)):
        axis, cut = int(rng.integers(2)), int(mask.shape[0] * rng.uniform(0.05, 0.35))
        where: list[slice] = [slice(None), slice(None)]
        where[axis] = slice(None, cut) if rng.random() < 0.5 else slice(-cut, None)
        image[tuple(where)] = fill
        mask[tuple(where)] = False
    return image, mask


def outside_removed(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Only what lies within some millimetres of the brain is left: a rough skull strip."""
    import cv2

    size = 2 * int(rng.integers(0, 12)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    near = cv2.dilate(mask.astype(np.uint8), kernel) > 0
    return np.where(near[..., None], image, np.float32(0))


def defaced(
    image: np.ndarray, points: np.ndarray, outline: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Everything in front of and below an oblique plane that just clears the brain is zero.

    Parameters
    ----------
    points : ndarray, shape (3, 3, H, W)
        RAS+ position of each pixel of each plane, in mm.
    outline : ndarray, shape (n, 2)
        Outermost (Y, Z) positions of the brain, in mm.
    """
    angle = np.radians(rng.uniform(15, 75))
    forward, down = np.cos(angle), np.sin(angle)
    limit = (outline[:, 0] * forward - outline[:, 1] * down).max() + rng.uniform(1, 15)
    beyond = points[:, 1] * forward - points[:, 2] * down > limit
    return np.where(np.moveaxis(beyond, 0, -1), np.float32(0), image)


def smooth_noise(size: tuple[int, ...], frequency: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of about unit spread, float32, that varies over 1 / `frequency` pixels."""
    import cv2

    height, width = (max(2, round(length * frequency)) for length in size)
    coarse = rng.standard_normal((height, width), dtype=np.float32)
    return cv2.resize(coarse, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
