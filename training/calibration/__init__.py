"""The verdict's calibration, and how well it judges."""
