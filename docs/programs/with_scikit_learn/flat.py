"""The digits as scikit-learn takes them, a row for each."""

import digits

x_train = digits.x_train.reshape(-1, 64)
x_test = digits.x_test.reshape(-1, 64)
y_train, y_test = digits.y_train, digits.y_test
