import keras
from last import x_test, x_train, y_test, y_train
from network import network

loss = keras.losses.SparseCategoricalCrossentropy(
    from_logits=True
)
low = y_train < 5
base = network(5)
base.compile("adam", loss, metrics=["accuracy"])
base.fit(x_train[low], y_train[low], epochs=5)

body = keras.Sequential(
    [keras.Input((8, 8, 1)), *base.layers[:-1]]
)
model = keras.Sequential(
    [keras.Input((8, 8, 1)), body, keras.layers.Dense(10)]
)
body.trainable = False
model.compile("adam", loss, metrics=["accuracy"])
model.fit(x_train, y_train, epochs=5)
body.trainable = True
model.compile(
    keras.optimizers.Adam(1e-4), loss, metrics=["accuracy"]
)
model.fit(x_train, y_train, epochs=5)
found = model.evaluate(x_test, y_test, return_dict=True)
print(f"accuracy {found['accuracy']:.3f}")

model.save("digits.keras")
again = keras.saving.load_model("digits.keras")
model.export("digits.onnx", format="onnx")
