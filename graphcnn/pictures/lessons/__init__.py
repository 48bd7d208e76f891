"""Worked examples: what an operator does, shown with numbers that the operator itself gave.

    conv_steps.conv_steps     a film of an operator that slides a window, on any numbers
    conv_steps.layer_steps    a film of a layer of a model; `lens.steps` gives it what it reads
    examples.EXAMPLES         figures by name: `graphcnn lesson all -o FOLDER` draws them all
    shared_weights            a convolution as a dense layer

`sliding` and `spreading` turn operators into steps; `panel` is a grid of numbers over the frames of
a film, `stage` the film around panels, `reading` what windows read, `engine` what operators give.
"""
