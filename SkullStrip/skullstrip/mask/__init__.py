"""From a probability to a mask and its surface."""
