import torch
from digits import x_train, y_train
from lightning import Trainer
from lit import Lit
from measure import accuracy
from network import network
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2


class Digits(Dataset):
    change = v2.Compose(
        [
            v2.RandomCrop(8, padding=1),
            v2.RandomAffine(10, scale=(0.9, 1.1)),
        ]
    )

    def __len__(self):
        return len(x_train)

    def __getitem__(self, i):
        image = torch.tensor(x_train[i])
        return self.change(image), y_train[i]


torch.manual_seed(0)
model = network()
Trainer(max_epochs=15, logger=False).fit(
    Lit(model), DataLoader(Digits(), 32, shuffle=True)
)
print(f"accuracy {accuracy(model):.3f}")
