from digits import x_test, x_train, y_test, y_train
from network import network


class Digits:  # files, a database, any object like this
    def __len__(self):
        return len(x_train)

    def __getitem__(self, i):
        return x_train[i], y_train[i]


model = network()
model.fit(Digits(), epochs=10, optimizer="adam")
found = model.evaluate(x_test, y_test)
print(f"accuracy {found['accuracy']:.3f}")
