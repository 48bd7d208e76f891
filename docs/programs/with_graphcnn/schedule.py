import graphcnn as cnn
from digits import x_test, x_train, y_test, y_train
from network import network

rate = cnn.schedules.OneCycle(0.1)  # over the whole run
sgd = cnn.SGD(rate, momentum=0.9, nesterov=True)

model = network()
model.fit(
    x_train, y_train, epochs=10, optimizer=cnn.EMA(sgd, 0.99)
)
found = model.evaluate(x_test, y_test)  # averaged weights
print(f"accuracy {found['accuracy']:.3f}")
