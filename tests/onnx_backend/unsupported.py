"""Tests of the `onnx` package's backend suite that fail, by pattern and reason.

A pattern matches the beginning of a name, without "test_" and "_cpu". A test that passes although
it is listed is an error too: the list only ever becomes shorter.
"""

#: kind of test -> reason -> patterns
UNSUPPORTED: dict[str, dict[str, str]] = {
    "Node": {
        "flexible attention": """
            flexattention$ flexattention_causal_mask$ flexattention_diff_head_sizes$
            flexattention_double$ flexattention_fp16$ flexattention_gqa$ flexattention_prob_mod$
            flexattention_relative_positional$ flexattention_scaled$ flexattention_score_mod$
            flexattention_soft_cap$ tensorscatter
        """,
        "pictures in files": "image",
        "bits": "bitcast",
        "texts": "regex string strnormalizer tfidfvectorizer",
        "results whose shape depends on the numbers": "unique",
        "random numbers of their own": "bernoulli",
        "operators of another domain": "ai",
    },
    "Simple": {
        "gradients as a node": "gradient",
        "sequences": "sequence_model8",
        "texts": "strnorm",
    },
}

#: Tests whose expected numbers were wrong in releases of onnx before the one given, with what
#: ONNX Runtime computes there. In those releases they may fail or pass.
WRONG_BEFORE: dict[tuple[int, int], str] = {
    (1, 23): """
        adam_multiple l2normalization_axis_0 qlinearmatmul_2D_int8 qlinearmatmul_3D_int8
    """,
}

#: Tests that may fail or pass: NumPy expects 2e-7, from 2.0 on, where 0 is right and ours.
ROUNDED = "dft_inverse dft_inverse_opset19"

#: Tests of the suite that ask for what no runtime does, by the same rules. They are not supported
#: on purpose: a file means what ONNX Runtime and OpenVINO compute from it and what its exporter
#: meant, and the suites of both leave these tests out, too.
CONTRADICTED: dict[str, dict[str, str]] = {
    "Node": {
        "align_corners by the size before it is rounded down, which puts the last pixel elsewhere "
        "than on the corner; PyTorch, whose exporter writes the mode, and ONNX Runtime use the "
        "number of pixels that there are": """
            resize_downsample_scales_cubic_align_corners
            resize_downsample_scales_linear_align_corners
        """,
        "float16 rounded once more within softmax, two last places from what ONNX Runtime gives, "
        "which has our numbers: they are nearer to those in double precision": """
            attention_4d_causal_fp16
        """,
    },
}
