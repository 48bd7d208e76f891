from keras import Input, Sequential, layers


def network(classes=10):
    return Sequential(
        [
            Input((8, 8, 1)),
            layers.Conv2D(
                32, 3, padding="same", use_bias=False
            ),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(
                32, 3, padding="same", activation="relu"
            ),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(classes),
        ]
    )
