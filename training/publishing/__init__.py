"""From a run to released weights with manifest and model card."""
