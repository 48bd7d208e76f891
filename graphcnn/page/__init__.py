"""The live page: a network in one HTML file that runs it, in any browser, without a connection.

page         what `Model.page` and `graphcnn page` do
shown        the maps of a network that are shown, each with what follows it
description  what the page is told of them: shapes, windows, weights, receptive fields
programs     the network as functions of a WebAssembly module: forward, and back by three rules
memory       where inputs, outputs and weights of these functions lie
learning     a small network with its training step, to watch it learn
assemble     the file: script, style and data in one, with a policy that allows no request

*.js, *.css, body.html and page.d.ts are the page's own code; page.d.ts says how they fit together.
"""
