import keras
from keras import layers
from last import x_test, x_train, y_test, y_train
from network import network

inner = network()
model = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        layers.RandomTranslation(1 / 8, 1 / 8),
        layers.RandomRotation(10 / 360),
        layers.RandomZoom(0.1),
        inner,
    ]
)
loss = keras.losses.SparseCategoricalCrossentropy(
    from_logits=True
)
model.compile("adam", loss, metrics=["accuracy"])
model.fit(x_train, y_train, epochs=15)
found = model.evaluate(x_test, y_test, return_dict=True)
print(f"accuracy {found['accuracy']:.3f}")
