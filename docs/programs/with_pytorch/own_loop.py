import torch
from digits import x_train, y_train
from measure import accuracy
from network import network
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
train = TensorDataset(
    torch.tensor(x_train), torch.tensor(y_train)
)
model = network()
adam = torch.optim.Adam(model.parameters(), 1e-3)

for epoch in range(10):
    model.train()
    if epoch == 5:
        for group in adam.param_groups:
            group["lr"] = 1e-4
    for images, labels in DataLoader(train, 32, shuffle=True):
        adam.zero_grad()
        loss = cross_entropy(model(images), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(
            model.parameters(), 1.0
        )
        adam.step()

print(f"accuracy {accuracy(model):.3f}")
