from pathlib import Path

import torch
from digits import x_train, y_train
from lightning import Trainer
from lightning.pytorch.callbacks import (
    EarlyStopping,
    ModelCheckpoint,
)
from lit import Lit
from measure import accuracy
from network import network
from torch.utils.data import (
    DataLoader,
    TensorDataset,
    random_split,
)

torch.manual_seed(0)
data = TensorDataset(
    torch.tensor(x_train), torch.tensor(y_train)
)
train, held_out = random_split(data, [0.9, 0.1])
lit = Lit(network())
best = ModelCheckpoint("run", "best", "val_loss")
last = "run/last.ckpt"
trainer = Trainer(
    max_epochs=30,
    logger=False,
    callbacks=[
        EarlyStopping("val_loss", patience=3),
        best,
        ModelCheckpoint("run", save_last=True),
    ],
)
trainer.fit(
    lit,
    DataLoader(train, 32, shuffle=True),
    DataLoader(held_out, 32),
    ckpt_path=last if Path(last).exists() else None,
)
state = torch.load(best.best_model_path, weights_only=True)
lit.load_state_dict(state["state_dict"])
print("after", trainer.current_epoch, "epochs")
print(f"accuracy {accuracy(lit.model):.3f}")
