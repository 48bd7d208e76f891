"""The core of a model: a graph with the values of its states, kept, fed and evaluated."""
