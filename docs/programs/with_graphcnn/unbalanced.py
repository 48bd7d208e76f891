import numpy as np
from digits import x_test, x_train, y_test, y_train
from network import network

few = (y_train != 3) | (np.arange(len(y_train)) < 200)
model = network()
model.fit(
    x_train[few],
    y_train[few],
    epochs=10,
    optimizer="adam",
    class_weights="balanced",
)
report = model.evaluate(x_test, y_test, report=True)
print(report)
