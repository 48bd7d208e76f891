"""Other operators on images: pools, padding, resampling, batch normalisation."""
