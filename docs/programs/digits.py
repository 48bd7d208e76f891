"""1,797 handwritten digits of 8×8 pixels, as arrays."""

import numpy as np
from sklearn.datasets import load_digits

images, y = load_digits(return_X_y=True)
x = images.reshape(-1, 1, 8, 8).astype(np.float32) / 16
x_train, y_train = x[:1437], y[:1437]
x_test, y_test = x[1437:], y[1437:]
