from flat import x_test, x_train, y_test, y_train
from network import network

model = network(max_iter=10)
model.fit(x_train, y_train)
print(f"accuracy {model.score(x_test, y_test):.3f}")
probabilities = model.predict_proba(x_test[:1])
print("a", probabilities.argmax())
