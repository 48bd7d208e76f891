"""Image operators on blocked images: `Placed` nodes whose values lie in layouts like c16+1,1,1,1.

The kernels are those of plain images; a field says where the pixels lie. Numbers per channel are
plain, or in whole vectors (v16), one of both in a node.
"""

from graphcnn.runtime.native.code.kernel import Lowering
from graphcnn.runtime.native.kernels.image import average_pool, norm, pool, pool_grad

#: Operator name to the lowering of a placed node of it.
BLOCKED: dict[str, Lowering] = {
    "max_pool2d": pool.max_pool,
    "max_pool2d_grad": pool_grad.max_pool_grad,
    "avg_pool2d": average_pool.avg_pool,
    "avg_pool2d_grad": average_pool.avg_pool_grad,
    "global_avg_pool2d": average_pool.global_avg_pool,
    "batch_norm": norm.batch_norm,
    "batch_norm_train": norm.batch_norm_train,
    "batch_norm_grad": norm.batch_norm_grad,
}
