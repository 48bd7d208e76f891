import torch
from digits import x_test, x_train, y_train
from lightning import Trainer
from lit import Lit
from measure import accuracy
from network import network
from torch.utils.data import DataLoader, TensorDataset


def focal(scores, target):  # arXiv:1708.02002
    p = scores.softmax(1)
    p = p.gather(1, target[:, None])[:, 0]
    return (-((1 - p) ** 2) * (p + 1e-7).log()).mean()


def confidence(scores):
    return scores.softmax(1).amax(1).mean()


class WithFocal(Lit):
    def training_step(self, batch, _):
        images, labels = batch
        scores = self.model(images)
        self.log("confidence", confidence(scores))
        return focal(scores, labels)


torch.manual_seed(0)
train = TensorDataset(
    torch.tensor(x_train), torch.tensor(y_train)
)
model = network()
Trainer(max_epochs=10, logger=False).fit(
    WithFocal(model), DataLoader(train, 32, shuffle=True)
)
print(f"accuracy {accuracy(model):.3f}")
found = confidence(model(torch.tensor(x_test)))
print(f"confidence {found:.3f}")
