import graphcnn as cnn
from digits import x_test, x_train, y_test, y_train
from network import network

train = cnn.data.arrays(x_train, y_train).augmented(
    cnn.augment.crop(1),
    cnn.augment.rotation(10),
    cnn.augment.scale(0.1),
)
model = network()
model.fit(train, epochs=15, optimizer="adam")
found = model.evaluate(x_test, y_test)
print(f"accuracy {found['accuracy']:.3f}")
