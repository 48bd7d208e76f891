"""What is known while importing: sizes that depend on N, places, and what is computed of them."""
