"""The digits as Keras takes them, channels last."""

import digits

x_train = digits.x_train.transpose(0, 2, 3, 1)
x_test = digits.x_test.transpose(0, 2, 3, 1)
y_train, y_test = digits.y_train, digits.y_test
