"""Code that runs without us: a plan as an object file, a library or a WebAssembly module.

targets    for what it can be built
places     where inputs, outputs, weights and everything between lie
module     the plan as one function in LLVM IR
objects    from that to object code with the weights in it, and what its stack takes
symbols    what an object leaves to others: nothing
wasm       an object to a WebAssembly module
shared_library  an object to a shared library, or an archive
"""
