from keras import ops
from last import x_test, x_train, y_test, y_train
from network import network


def focal(target, scores):  # arXiv:1708.02002
    p = ops.softmax(scores)
    one_hot = ops.one_hot(
        ops.cast(ops.reshape(target, (-1,)), "int32"), 10
    )
    p = ops.sum(p * one_hot, 1)
    return ops.mean(-((1 - p) ** 2) * ops.log(p + 1e-7))


def confidence(target, scores):
    return ops.mean(ops.max(ops.softmax(scores), 1))


model = network()
model.compile(
    "adam",
    focal,
    metrics=["sparse_categorical_accuracy", confidence],
)
model.fit(x_train, y_train, epochs=10)
found = model.evaluate(x_test, y_test, return_dict=True)
accuracy = found["sparse_categorical_accuracy"]
print(f"accuracy {accuracy:.3f}")
print(f"confidence {found['confidence']:.3f}")
