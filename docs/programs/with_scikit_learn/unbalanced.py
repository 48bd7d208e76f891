import numpy as np
from flat import x_test, x_train, y_test, y_train
from network import network
from sklearn.metrics import classification_report
from sklearn.utils import compute_sample_weight

few = (y_train != 3) | (np.arange(len(y_train)) < 200)
model = network(max_iter=10)
model.fit(
    x_train[few],
    y_train[few],
    sample_weight=compute_sample_weight(
        "balanced", y_train[few]
    ),
)
print(classification_report(y_test, model.predict(x_test)))
