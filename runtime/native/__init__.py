"""The native runtime: machine code that LLVM makes for exactly this graph and this processor.

target    what the processor has: vector width, registers, caches
emit      loops, vectors and pointers, as Python that reads like the loop it makes
kernel    one step of a plan as code, and the registry from operator to code
kernels/  the code of the operators, one family per file
jit       LLVM IR to machine code to a function pointer; cache: object code on disk
"""
