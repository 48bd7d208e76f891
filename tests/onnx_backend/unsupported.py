"""Tests of the `onnx` package's backend suite that fail, by pattern and reason.

A pattern matches the beginning of a name, without "test_" and "_cpu". A test that passes although
it is listed is an error too: the list only ever becomes shorter.
"""

#: kind of test -> reason -> patterns
UNSUPPORTED: dict[str, dict[str, str]] = {
    "Node": {
        "operators without a rule": """
            acos acosh adagrad adam ai asin asinh atan basic_deform bernoulli bitcast ceil
            col2im compress convinteger cos cumprod cumsum deform dequantizelinear det dft
            dynamicquantizelinear einsum flexattention$ flexattention_causal_mask$
            flexattention_diff_head_sizes$ flexattention_double$ flexattention_fp16$
            flexattention_gqa$ flexattention_prob_mod$ flexattention_relative_positional$
            flexattention_scaled$ flexattention_score_mod$ flexattention_soft_cap$ floor
            gathernd gridsample gru image linear loop11 lstm matmulinteger maxunpool
            melweightmatrix momentum nesterov nonmaxsuppression qlinearconv quantizelinear
            range_float_type_positive_delta_expanded range_float16_type_positive_delta_expanded
            range_int32_type_negative_delta_expanded reduce_prod rnn roialign round scan scan9
            scatter scatternd simple sin stft tan tensorscatter tfidfvectorizer top
        """,
        "element types that the IR lacks": """
            add_int16 add_int8 add_uint16 add_uint32 add_uint64 attention_3d_causal_bf16
            attention_4d_attn_mask_causal attention_4d_causal_bf16 attention_4d_causal_padded
            attention_4d_padded bitshift bitwise cast_BFLOAT16 cast_FLOAT_to_BFLOAT16
            cast_FLOAT_to_FLOAT4E2M1 cast_FLOAT_to_FLOAT8E4M3FN cast_FLOAT_to_FLOAT8E4M3FNUZ
            cast_FLOAT_to_FLOAT8E5M2 cast_FLOAT_to_FLOAT8E5M2FNUZ cast_FLOAT_to_INT2
            cast_FLOAT_to_INT4 cast_FLOAT_to_UINT2 cast_FLOAT_to_UINT4
            cast_FLOAT16_to_FLOAT4E2M1 cast_FLOAT16_to_FLOAT8E4M3FN
            cast_FLOAT16_to_FLOAT8E4M3FNUZ cast_FLOAT16_to_FLOAT8E5M2
            cast_FLOAT16_to_FLOAT8E5M2FNUZ cast_FLOAT16_to_INT2 cast_FLOAT16_to_INT4
            cast_FLOAT16_to_UINT2 cast_FLOAT16_to_UINT4 cast_FLOAT4E2M1 cast_FLOAT8E4M3FN
            cast_FLOAT8E4M3FNUZ cast_FLOAT8E5M2 cast_FLOAT8E5M2FNUZ cast_INT2 cast_INT4
            cast_UINT2 cast_UINT4 cast_e8m0 cast_no castlike_BFLOAT16 castlike_FLOAT_to_BFLOAT16
            castlike_FLOAT_to_FLOAT4E2M1 castlike_FLOAT_to_FLOAT8E4M3FN
            castlike_FLOAT_to_FLOAT8E4M3FNUZ castlike_FLOAT_to_FLOAT8E5M2
            castlike_FLOAT_to_FLOAT8E5M2FNUZ castlike_FLOAT_to_INT2 castlike_FLOAT_to_INT4
            castlike_FLOAT_to_UINT2 castlike_FLOAT_to_UINT4 castlike_FLOAT16_to_FLOAT4E2M1
            castlike_FLOAT16_to_FLOAT8E4M3FN castlike_FLOAT16_to_FLOAT8E4M3FNUZ
            castlike_FLOAT16_to_FLOAT8E5M2 castlike_FLOAT16_to_FLOAT8E5M2FNUZ
            castlike_FLOAT16_to_INT2 castlike_FLOAT16_to_INT4 castlike_FLOAT16_to_UINT2
            castlike_FLOAT16_to_UINT4 castlike_FLOAT4E2M1 castlike_FLOAT8E4M3FN
            castlike_FLOAT8E4M3FNUZ castlike_FLOAT8E5M2 castlike_FLOAT8E5M2FNUZ castlike_INT2
            castlike_INT4 castlike_UINT2 castlike_UINT4 castlike_no celu_bfloat16
            clip_default_int8 div_int16 div_int8 div_uint16 div_uint32 div_uint64 equal_int16
            equal_int8 equal_string equal_uint16 equal_uint32 equal_uint64 eyelike_without
            greater_equal_int16 greater_equal_int8 greater_equal_uint16 greater_equal_uint32
            greater_equal_uint64 greater_int16 greater_int8 greater_uint16 greater_uint32
            greater_uint64 less_equal_int16 less_equal_int8 less_equal_uint16 less_equal_uint32
            less_equal_uint64 less_int16 less_int8 less_uint16 less_uint32 less_uint64 max_int16
            max_int8 max_uint16 max_uint32 max_uint64 min_int16 min_int8 min_uint16 min_uint32
            min_uint64 mod_mixed_sign_int16 mod_mixed_sign_int8 mod_uint16 mod_uint32 mod_uint64
            mul_int16 mul_int8 mul_uint16 mul_uint32 mul_uint64 onehot_with_bfloat16
            pow_types_float32_uint32 pow_types_float32_uint64 qlinearmatmul range_bfloat16 regex
            string strnormalizer sub_int16 sub_int8 sub_uint16 sub_uint32 sub_uint64 unique
        """,
        "five or more axes of images": """
            averagepool_3d convtranspose_3d lppool_3d maxpool_3d
        """,
        "forms that the IR lacks: tensors without elements, integers, random masks": """
            causal_conv_with_state_kernel constantofshape_int_shape div_uint8 maxpool_2d_uint8
            maxpool_with_argmax_2d_precomputed_strides not reduce_l1_empty reduce_l2_empty
            reduce_log_sum_empty reduce_log_sum_exp_empty reduce_max_bool reduce_max_empty
            reduce_min_bool reduce_min_empty reduce_sum_empty_set reduce_sum_square_empty
            reshape_allowzero resize_tf rotary_embedding$ rotary_embedding_3d
            rotary_embedding_expanded rotary_embedding_interleaved
            rotary_embedding_no_position_ids$ rotary_embedding_no_position_ids_expanded
            rotary_embedding_no_position_ids_interleaved shape_start_greater slice_start
            split_zero training_dropout$ training_dropout_default training_dropout_mask
            tril_zero triu_zero
        """,
        "sequences, optionals and strings": """
            identity_opt identity_sequence if_opt if_seq loop13 loop16 optional reversesequence
            sequence split_to
        """,
    },
    "Simple": {
        "operators without a rule": """
            gradient
        """,
        "sequences, optionals and strings": """
            sequence
        """,
        "element types that the IR lacks": """
            strnorm
        """,
    },
    "PyTorchConverted": {
        "five or more axes of images": """
            AvgPool3d Conv3d MaxPool3d
        """,
    },
    "PyTorchOperator": {},
}
