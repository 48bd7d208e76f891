"""Normalisations: of batches, and of items by themselves in groups of channels or along axes."""

from graphcnn.ops.norm.batch import BatchNorm, BatchNormGrad, BatchNormTrain
from graphcnn.ops.norm.channels import per_channel, reduced_axes
from graphcnn.ops.norm.group import GroupNorm, GroupNormGrad
from graphcnn.ops.norm.layer import LayerNorm

__all__ = [
    "BatchNorm",
    "BatchNormGrad",
    "BatchNormTrain",
    "GroupNorm",
    "GroupNormGrad",
    "LayerNorm",
    "per_channel",
    "reduced_axes",
]
