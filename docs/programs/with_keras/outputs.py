import keras
from keras import layers
from last import x_test, x_train, y_test, y_train

image = keras.Input((8, 8, 1))
x = layers.Conv2D(32, 3, padding="same", activation="relu")(
    image
)
x = layers.Flatten()(layers.MaxPooling2D()(x))
outputs = {
    "digit": layers.Dense(10, name="digit")(x),
    "ink": layers.Dense(1, name="ink")(x),
}
model = keras.Model(image, outputs)


def ink(x):
    return x.mean((1, 2, 3)).reshape(-1, 1)


model.compile(
    "adam",
    loss={
        "digit": keras.losses.SparseCategoricalCrossentropy(
            from_logits=True
        ),
        "ink": "mse",
    },
    loss_weights={"digit": 1, "ink": 10},
    metrics={"digit": "accuracy", "ink": "mae"},
)
model.fit(
    x_train,
    {"digit": y_train, "ink": ink(x_train)},
    epochs=30,
)
found = model.evaluate(
    x_test,
    {"digit": y_test, "ink": ink(x_test)},
    return_dict=True,
)
print(f"accuracy {found['digit_accuracy']:.3f}")
print(f"error of the ink {found['ink_mae']:.3f}")
