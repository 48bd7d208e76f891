"""Arrays as pictures: colours for numbers, tiles with their scales, sheets of tiles."""
