import torch
from digits import x_test, x_train, y_train
from lightning import Trainer
from lit import Lit
from measure import accuracy
from network import network
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
train = TensorDataset(
    torch.tensor(x_train), torch.tensor(y_train)
)
model = network()
Trainer(max_epochs=10, logger=False).fit(
    Lit(model), DataLoader(train, 32, shuffle=True)
)
print(f"accuracy {accuracy(model):.3f}")
scores = model(torch.tensor(x_test[:1]))
print("a", scores.softmax(1).argmax().item())
