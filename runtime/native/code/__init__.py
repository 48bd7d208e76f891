"""From a step of a plan to machine code: emission, the registry of kernels, LLVM, the cache."""
