import keras
from last import x_test, x_train, y_test, y_train
from network import network

steps = 10 * ((len(x_train) + 31) // 32)
rate = keras.optimizers.schedules.CosineDecay(
    0.004,
    decay_steps=steps - steps // 3,
    warmup_target=0.1,
    warmup_steps=steps // 3,
)
sgd = keras.optimizers.SGD(
    rate,
    momentum=0.9,
    nesterov=True,
    use_ema=True,
    ema_momentum=0.99,
)
loss = keras.losses.SparseCategoricalCrossentropy(
    from_logits=True
)
model = network()
model.compile(sgd, loss, metrics=["accuracy"])
model.fit(x_train, y_train, epochs=10)
sgd.finalize_variable_values(model.trainable_variables)
found = model.evaluate(x_test, y_test, return_dict=True)
print(f"accuracy {found['accuracy']:.3f}")
