"""The order of the nodes, and a place in memory for every value."""
