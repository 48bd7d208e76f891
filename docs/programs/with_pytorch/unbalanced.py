import numpy as np
import torch
from digits import x_test, x_train, y_test, y_train
from lightning import Trainer
from lit import Lit
from network import network
from sklearn.metrics import classification_report
from sklearn.utils.class_weight import compute_class_weight
from torch.utils.data import DataLoader, TensorDataset

few = (y_train != 3) | (np.arange(len(y_train)) < 200)
weights = compute_class_weight(
    "balanced", classes=np.arange(10), y=y_train[few]
)
torch.manual_seed(0)
train = TensorDataset(
    torch.tensor(x_train[few]), torch.tensor(y_train[few])
)
model = network()
weights = torch.tensor(weights, dtype=torch.float32)
Trainer(max_epochs=10, logger=False).fit(
    Lit(model, weights), DataLoader(train, 32, shuffle=True)
)
model.eval()
found = model(torch.tensor(x_test)).argmax(1)
print(classification_report(y_test, found))
