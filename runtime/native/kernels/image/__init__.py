"""Other operators on images: pools, padding, resampling, batch normalisation.

The kernels that `places` registers are those of plain images, too; a field says where the pixels of
a layout like c16+1,1,1,1 lie. Numbers per channel are plain, or in whole vectors (v16), one of both
in a node.
"""
