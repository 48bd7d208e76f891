from flat import x_test, x_train, y_test, y_train
from network import network

model = network(
    max_iter=30,
    early_stopping=True,
    validation_fraction=0.1,
    n_iter_no_change=3,
)  # cannot go on where it was stopped
model.fit(x_train, y_train)
print("after", model.n_iter_, "epochs")
print(f"accuracy {model.score(x_test, y_test):.3f}")
