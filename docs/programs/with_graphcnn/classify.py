from digits import x_test, x_train, y_test, y_train
from network import network

model = network()
model.fit(x_train, y_train, epochs=10, optimizer="adam")
found = model.evaluate(x_test, y_test)
print(f"accuracy {found['accuracy']:.3f}")
probabilities = model.predict(x_test[:1])
print("a", probabilities.argmax())
