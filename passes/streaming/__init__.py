"""A network that tells each pixel's distribution, as the loop that draws with it.

See `graphcnn.passes.streaming.sampler`.
"""
