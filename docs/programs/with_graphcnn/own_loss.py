import graphcnn as cnn
from digits import x_test, x_train, y_test, y_train
from network import network


def focal(scores, target):  # arXiv:1708.02002
    p = cnn.softmax(scores)
    p = cnn.sum(p * cnn.one_hot(target, 10), 1)
    return cnn.mean(-((1 - p) ** 2) * cnn.log(p + 1e-7))


def confidence(scores, target):
    return cnn.mean(cnn.max(cnn.softmax(scores), 1))


model = network()
measures = {"accuracy": "accuracy", "confidence": confidence}
model.fit(
    x_train, y_train, epochs=10, optimizer="adam",
    loss=focal, metrics=measures,
)  # fmt: skip
found = model.evaluate(x_test, y_test, metrics=measures)
print(f"accuracy {found['accuracy']:.3f}")
print(f"confidence {found['confidence']:.3f}")
