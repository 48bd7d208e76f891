import keras
import numpy as np
from last import x_test, x_train, y_test, y_train
from network import network
from sklearn.metrics import classification_report
from sklearn.utils.class_weight import compute_class_weight

few = (y_train != 3) | (np.arange(len(y_train)) < 200)
weights = compute_class_weight(
    "balanced", classes=np.arange(10), y=y_train[few]
)
loss = keras.losses.SparseCategoricalCrossentropy(
    from_logits=True
)
model = network()
model.compile("adam", loss, metrics=["accuracy"])
model.fit(
    x_train[few],
    y_train[few],
    epochs=10,
    class_weight=dict(enumerate(weights)),
)
found = model.predict(x_test).argmax(1)
print(classification_report(y_test, found))
