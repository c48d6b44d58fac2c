"""A configuration, the examples it draws, and the training of a network."""
