"""The node tests of the `onnx` package's backend suite that matter to convolutional networks.

Group -> patterns. A pattern matches the beginning of a name, without "test_" and "_cpu", up to an
underscore or the end; one that ends in $ is a whole name. Left out are attention,
texts, sequences, pictures and ai.onnx.ml.
"""

#: How many tests of names.txt the patterns select: of the operators, and written out by functions.
PLAIN, EXPANDED = 1150, 332

RELEVANT: dict[str, str] = {
    "convolution": """
        conv basic_conv conv_with convtranspose convinteger qlinearconv basic_deform deform
        col2im
    """,
    "pooling": """
        maxpool averagepool lppool globalaveragepool globalmaxpool maxunpool roialign
    """,
    "normalisation": """
        batchnorm instancenorm layer_normalization group_normalization rms_normalization lrn
        l1normalization l2normalization lpnormalization mvn
    """,
    "matrix products": "gemm matmul matmulinteger qlinearmatmul einsum",
    "shapes": """
        flatten reshape squeeze unsqueeze transpose concat split_1d split_2d split_equal
        split_variable split_zero slice constant_pad edge_pad
        reflect_pad wrap_pad resize upsample center_crop_pad depthtospace spacetodepth gridsample
        affine_grid expand tile gather gathernd scatter scatternd shape size constant
        constantofshape identity range reversesequence
    """,
    "casts and bits": "cast castlike bitshift bitwise",
    "activations": """
        relu leakyrelu prelu elu selu celu thresholdedrelu sigmoid hardsigmoid hardswish tanh
        softplus softsign gelu mish swish swiglu shrink erf softmax logsoftmax hardmax clip dropout
        training_dropout
    """,
    "arithmetic": """
        add sub mul div pow sqrt exp log neg abs reciprocal floor ceil round sign min max mean sum
        mod
    """,
    "comparison": """
        and and2d and3d and4d or or2d or3d or4d xor xor2d xor3d xor4d not equal greater less where
        isinf isnan
    """,
    "reductions and positions": """
        reduce argmax argmin top cumsum cumprod onehot tril triu eyelike nonzero compress
    """,
    "detection": "nonmaxsuppression",
    "quantisation": "quantizelinear dequantizelinear dynamicquantizelinear",
    "signals": """
        dft$ dft_axis dft_rfft dft_irfft dft_opset19 stft melweightmatrix blackmanwindow
        hammingwindow hannwindow
    """,
    "training": "nllloss sce adagrad adam momentum nesterov",
    "control": "if loop11 loop13 loop16 scan scan9",
    "recurrence": "rnn simple_rnn gru lstm",
}
