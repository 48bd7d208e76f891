import keras
from last import x_test, x_train, y_test, y_train
from network import network

keras.utils.set_random_seed(0)
loss = keras.losses.SparseCategoricalCrossentropy(
    from_logits=True
)
model = network()
model.compile("adam", loss, metrics=["accuracy"])
model.fit(x_train, y_train, epochs=10)
found = model.evaluate(x_test, y_test, return_dict=True)
print(f"accuracy {found['accuracy']:.3f}")
probabilities = keras.ops.softmax(model.predict(x_test[:1]))
print("a", int(keras.ops.argmax(probabilities)))
