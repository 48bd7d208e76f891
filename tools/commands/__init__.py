"""The commands of `graphcnn`, and the arguments they share."""
