import torch
from digits import x_test, x_train, y_test, y_train
from lightning import LightningModule, Trainer
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader, TensorDataset


def ink(x):
    return x.mean((1, 2, 3)).reshape(-1, 1)


class Two(LightningModule):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        self.digit = nn.Linear(512, 10)
        self.ink = nn.Linear(512, 1)

    def forward(self, images):
        x = self.body(images)
        return self.digit(x), self.ink(x)

    def training_step(self, batch, _):
        images, labels, inks = batch
        scores, guess = self(images)
        loss = cross_entropy(scores, labels)
        return loss + 10 * mse_loss(guess, inks)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-3)


torch.manual_seed(0)
train = TensorDataset(
    torch.tensor(x_train),
    torch.tensor(y_train),
    torch.tensor(ink(x_train)),
)
model = Two()
Trainer(max_epochs=30, logger=False).fit(
    model, DataLoader(train, 32, shuffle=True)
)
model.eval()
scores, guess = model(torch.tensor(x_test))
right = scores.argmax(1) == torch.tensor(y_test)
error = (guess - torch.tensor(ink(x_test))).abs()
print(f"accuracy {right.float().mean():.3f}")
print(f"error of the ink {error.mean():.3f}")
