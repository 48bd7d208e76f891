import torch
from digits import x_train, y_train
from lightning import Trainer
from lit import Lit
from measure import accuracy
from network import network
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def fit(lit, chosen, epochs):
    train = TensorDataset(
        torch.tensor(x_train[chosen]),
        torch.tensor(y_train[chosen]),
    )
    Trainer(max_epochs=epochs, logger=False).fit(
        lit, DataLoader(train, 32, shuffle=True)
    )


class Slow(Lit):
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-4)


torch.manual_seed(0)
model = network(5)
fit(Lit(model), y_train < 5, 5)

model[-1] = nn.Linear(512, 10)
body = model[:-1]
body.requires_grad_(False)
fit(Lit(model), slice(None), 5)
body.requires_grad_(True)
fit(Slow(model), slice(None), 5)
print(f"accuracy {accuracy(model):.3f}")

torch.save(model.state_dict(), "digits.pt")
again = network()
again.load_state_dict(
    torch.load("digits.pt", weights_only=True)
)
again.eval()
image = torch.tensor(x_train[:1])
torch.onnx.export(again, (image,), "digits.onnx")
