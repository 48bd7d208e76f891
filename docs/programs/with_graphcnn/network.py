import graphcnn as cnn


def network(classes=10):
    image = cnn.input("image", (1, 8, 8))
    x = cnn.conv2d(image, 32, 3, padding=1, bias=False)
    x = cnn.relu(cnn.batch_norm(x))
    x = cnn.conv2d(x, 32, 3, padding=1, activation="relu")
    x = cnn.flatten(cnn.max_pool2d(x, 2))
    x = cnn.dropout(x, 0.2)
    return cnn.Model(image, cnn.dense(x, classes))
