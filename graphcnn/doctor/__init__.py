"""Finding out what is wrong with a training, on copies of the model."""
