"""A process of its own for a run that somebody else asks for, as Slicer does."""
