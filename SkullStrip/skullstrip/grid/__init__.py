"""A volume in space: voxels with their affine, orientation, resampling, regions."""
