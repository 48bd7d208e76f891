"""What a person runs: the command line, the quickstart, pictures of training, stories."""
