"""What a picture shows of a graph, before anything has a place."""
