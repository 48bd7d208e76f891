"""What `build` can be asked for, in words; light, since the command line has them always."""

#: How a network is to be made: fast, or without what makes it larger, such as kernels that are
#: transformed for Winograd's algorithm, four times their size.
MANNERS = {"speed": "fast", "size": "strict"}
WEIGHTS = ("inside", "file")
ACCEPTED = ("float32", "uint8")
