"""What kernels are made of: loops, tiles, functions, ways through memory."""
