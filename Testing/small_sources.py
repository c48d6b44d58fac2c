"""Small heads as training sources: nested ellipsoids with labels, a scan of them, and a cache.

Stand-ins for prepared scans and label maps: 2 mm voxels and six labels, so that a test takes
milliseconds. The brain's mask is grey and white matter, ventricle and inner CSF.
"""

import functools

import numpy as np

from training.data.label_codes import recode
from training.data.sources import Source, save_source

SHAPE, SPACING_MM = (56, 64, 60), 2.0
# Label (FreeSurfer's numbers below 500), radius as a share of the head's, intensity in a scan.
LAYERS = (
    (258, 1.00, 0.80),  # soft tissue
    (165, 0.88, 0.10),  # skull
    (24, 0.80, 0.18),  # CSF
    (3, 0.76, 0.50),  # grey matter
    (2, 0.62, 0.70),  # white matter
    (4, 0.15, 0.15),  # ventricle
)
HEAD_SEMI_AXES = np.array([24.0, 28.0, 25.0])  # voxels
MASK_RADIUS = 0.78


@functools.cache
def head_radius():
    """Distance from the head's centre as a share of its size, shape `SHAPE`."""
    index = np.indices(SHAPE, dtype=float)
    centre = (np.array(SHAPE) - 1) / 2
    return np.linalg.norm((np.moveaxis(index, 0, -1) - centre) / HEAD_SEMI_AXES, axis=-1)


@functools.cache
def label_array():
    """Labels, 0 is air."""
    labels = np.zeros(SHAPE, dtype=np.int32)
    for label, radius, _ in LAYERS:
        labels[head_radius() <= radius] = label
    return labels


@functools.cache
def brain_array():
    return head_radius() <= MASK_RADIUS


@functools.cache
def small_label_map(subject="labels", split="labelmap"):
    spacing_mm = np.full(3, SPACING_MM, dtype=np.float32)
    codes, names = recode(label_array(), brain_array(), spacing_mm)
    return Source(subject, split, codes, bytes_of(brain_array()), spacing_mm, names)


@functools.cache
def small_scan(subject="scan", split="train", spacing_mm=SPACING_MM):
    image = np.zeros(SHAPE)
    for label, _, intensity in LAYERS:
        image[label_array() == label] = intensity
    return scan_of(image, brain_array(), subject, split, spacing_mm)


def scan_of(image, mask, subject="scan", split="train", spacing_mm=1.0):
    """A scan with given intensities in [0, 1]."""
    voxels = np.rint(image * 255).astype(np.uint8)
    spacing = np.full(3, spacing_mm, dtype=np.float32)
    return Source(subject, split, voxels, bytes_of(mask), spacing, ())


def bytes_of(mask):
    return mask.astype(np.uint8) * np.uint8(255)


def write_cache(folder):
    """What `prepare` would have written: a label map, two scans for training, one to judge by."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in (
        small_label_map(),
        small_scan("scan1"),
        small_scan("scan2", spacing_mm=1.4),
        small_scan("scan3", split="val"),
    ):
        save_source(source, folder)
    return folder
