from flat import x_test, x_train, y_test, y_train
from network import network

model = network(
    solver="sgd",
    learning_rate="invscaling",
    learning_rate_init=0.1,
    max_iter=10,
)  # no other schedules, no averages
model.fit(x_train, y_train)
print(f"accuracy {model.score(x_test, y_test):.3f}")
