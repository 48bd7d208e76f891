"""The passes: graph in, graph out. One file each, named as in pipelines.

    driver      what a pass and a rule are, pipelines, what watches them, what they report
    exchange    where files begin and end: what others write read as ours, ours as it is stored
    simplify    the same with less: one spelling, nothing unneeded, known things computed
    training    from the definition to a training step: modes, gradients, shards, updates
    lowering    towards the machine: larger steps, other element types, operators written out
    layout      how values lie in memory, and by which algorithm each operator is computed
    memory      the order of the nodes, and a place in memory for every value

They read the graph level only, and know nothing of how a graph is run. Which of them make an
import, inference, training and an export is written in `graphcnn.compile.pipelines`, and which make
machine code in `graphcnn.compile.native`.
"""
