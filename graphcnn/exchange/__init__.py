"""Models for other runtimes: written, compared, and the first difference found."""
