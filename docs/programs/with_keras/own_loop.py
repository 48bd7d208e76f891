import keras
import numpy as np
from last import x_test, x_train, y_test, y_train
from network import network

loss = keras.losses.SparseCategoricalCrossentropy(
    from_logits=True
)
adam = keras.optimizers.Adam(1e-3, global_clipnorm=1.0)
model = network()
model.compile(adam, loss, metrics=["accuracy"])

order = np.random.default_rng(0)
for epoch in range(10):
    if epoch == 5:
        adam.learning_rate = 1e-4
    shuffled = order.permutation(len(x_train))
    for at in range(0, len(x_train), 32):
        batch = shuffled[at : at + 32]
        model.train_on_batch(x_train[batch], y_train[batch])

found = model.evaluate(x_test, y_test, return_dict=True)
print(f"accuracy {found['accuracy']:.3f}")
