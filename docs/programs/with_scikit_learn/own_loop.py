import numpy as np
from flat import x_test, x_train, y_test, y_train
from network import network

model = network()  # the rate stays, nothing is clipped
order = np.random.default_rng(0)
for _epoch in range(10):
    shuffled = order.permutation(len(x_train))
    for at in range(0, len(x_train), 32):
        batch = shuffled[at : at + 32]
        model.partial_fit(
            x_train[batch],
            y_train[batch],
            classes=np.arange(10),
        )
print(f"accuracy {model.score(x_test, y_test):.3f}")
