"""What is minimised, and how: losses and metrics by name, optimisers, schedules, targets."""
