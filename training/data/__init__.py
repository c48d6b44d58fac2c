"""Scans and label maps with their masks: found, checked, split, prepared once."""
