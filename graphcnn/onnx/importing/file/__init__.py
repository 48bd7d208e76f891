"""The file itself: opened, checked, its parts as plain values, and what is said of its inputs."""
