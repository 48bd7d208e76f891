"""The lens: what a network sees, and why it decides.

Every method is a graph made of the network's own values (its forward pass, a score, generated
backward nodes, perhaps by another rule), compiled and run natively in strict precision on the
states that the model has at that moment. `Lens` (`graphcnn.lens.lens`) has the doors:

    attribution     which pixels a score hangs on
    synthesis       images made to excite, to match, to deceive
    study           what a layer and a unit do over a data set
    report          all of it on one page
"""
