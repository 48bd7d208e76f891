import graphcnn as cnn
from digits import x_test, x_train, y_test, y_train
from network import network

train = cnn.data.arrays(x_train, y_train)
model = network()
adam = cnn.Adam(1e-3, clip_norm=1.0)

with cnn.Session(model, "cross_entropy", adam) as session:
    for epoch in range(10):
        if epoch == 5:
            session.learning_rate = 1e-4
        for images, labels in train.epoch(0, epoch, 32):
            loss = session.step(images, labels)["loss"]

found = model.evaluate(x_test, y_test)
print(f"accuracy {found['accuracy']:.3f}")
