"""What came of a training and of a measurement: curves, confusion, mistakes."""
