import torch
from digits import x_train, y_train
from lightning import Trainer
from lit import Lit
from measure import accuracy
from network import network
from torch.utils.data import DataLoader, Dataset


class Digits(Dataset):
    def __len__(self):
        return len(x_train)

    def __getitem__(self, i):
        return x_train[i], y_train[i]


torch.manual_seed(0)
model = network()
Trainer(max_epochs=10, logger=False).fit(
    Lit(model), DataLoader(Digits(), 32, shuffle=True)
)
print(f"accuracy {accuracy(model):.3f}")
