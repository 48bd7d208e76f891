import pickle
from pathlib import Path

from flat import x_test, x_train, y_test, y_train
from network import network

model = network(max_iter=5, warm_start=True)
model.fit(x_train, y_train)  # all layers, all classes
model.fit(x_train, y_train)  # goes on from there
print(f"accuracy {model.score(x_test, y_test):.3f}")

path = Path("digits.pickle")  # runs code when it is read
path.write_bytes(pickle.dumps(model))
again = pickle.loads(path.read_bytes())
