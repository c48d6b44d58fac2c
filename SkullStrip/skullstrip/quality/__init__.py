"""Whether to believe a mask: verdict with reasons, estimated Dice, confidence of every voxel."""
