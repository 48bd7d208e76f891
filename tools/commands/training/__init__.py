"""What `graphcnn train` is told: its optimiser, its augmentation, its run."""
