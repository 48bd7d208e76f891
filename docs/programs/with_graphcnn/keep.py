from digits import x_test, x_train, y_test, y_train
from network import network

model = network()
history = model.fit(
    x_train,
    y_train,
    epochs=30,
    optimizer="adam",
    validation=0.1,
    early_stopping=3,  # and the best weights at the end
    resume="run",  # goes on, to the bit, if it was stopped
)
found = model.evaluate(x_test, y_test)
print(history.ended, "after", len(history), "epochs")
print(f"accuracy {found['accuracy']:.3f}")
