"""What can be said of a graph without running it: sizes, costs, receptive fields."""
