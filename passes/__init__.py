"""The passes: one file each, named as in pipelines. A pass is a graph-to-graph function.

Passes read the graph level only: nothing about memory, nothing about how a graph is run. The named
pipelines (inference, training) are written in `graphcnn.compile.pipelines`.
"""
