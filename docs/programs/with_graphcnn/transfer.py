import graphcnn as cnn
from digits import x_test, x_train, y_test, y_train
from network import network

low = y_train < 5
base = network(5)
base.fit(
    x_train[low], y_train[low], epochs=5, optimizer="adam"
)

model = cnn.replace_head(base, classes=10)
model.fine_tune(
    x_train, y_train, epochs=(5, 5), optimizer="adam"
)
found = model.evaluate(x_test, y_test)
print(f"accuracy {found['accuracy']:.3f}")

model.save("digits.safetensors")
again = cnn.load("digits.safetensors")
again.export_onnx("digits.onnx")  # compared with ONNX Runtime
