import graphcnn as cnn
from digits import x_test, x_train, y_test, y_train

image = cnn.input("image", (1, 8, 8))
x = cnn.conv2d(image, 32, 3, padding=1, activation="relu")
x = cnn.flatten(cnn.max_pool2d(x, 2))
outputs = {"digit": cnn.dense(x, 10), "ink": cnn.dense(x, 1)}
model = cnn.Model(image, outputs)


def ink(x):
    return x.mean((1, 2, 3)).reshape(-1, 1)


measures = {"digit": "accuracy", "ink": "mae"}
model.fit(
    x_train,
    {"digit": y_train, "ink": ink(x_train)},
    epochs=30,
    optimizer="adam",
    loss={"digit": "cross_entropy", "ink": "mse"},
    loss_weights={"ink": 10},
    metrics=measures,
)
found = model.evaluate(
    x_test,
    {"digit": y_test, "ink": ink(x_test)},
    metrics=measures,
)
print(f"accuracy {found['digit_accuracy']:.3f}")
print(f"error of the ink {found['ink_mae']:.3f}")
