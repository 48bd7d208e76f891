import keras
from last import x_test, x_train, y_test, y_train
from network import network

loss = keras.losses.SparseCategoricalCrossentropy(
    from_logits=True
)
model = network()
model.compile("adam", loss, metrics=["accuracy"])
history = model.fit(
    x_train,
    y_train,
    epochs=30,
    validation_split=0.1,
    callbacks=[
        keras.callbacks.EarlyStopping(
            patience=3, restore_best_weights=True
        ),
        keras.callbacks.BackupAndRestore("run"),
    ],
)
found = model.evaluate(x_test, y_test, return_dict=True)
print("after", len(history.epoch), "epochs")
print(f"accuracy {found['accuracy']:.3f}")
