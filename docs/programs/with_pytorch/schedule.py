import torch
from digits import x_train, y_train
from lightning import Trainer
from lit import Lit
from measure import accuracy
from network import network
from torch.optim.swa_utils import (
    AveragedModel,
    get_ema_multi_avg_fn,
)
from torch.utils.data import DataLoader, TensorDataset


class OneCycle(Lit):
    def configure_optimizers(self):
        sgd = torch.optim.SGD(
            self.parameters(), 0.1, 0.9, nesterov=True
        )
        rate = torch.optim.lr_scheduler.OneCycleLR(
            sgd,
            0.1,
            self.trainer.estimated_stepping_batches,
        )
        self.ema = AveragedModel(
            self.model,
            multi_avg_fn=get_ema_multi_avg_fn(0.99),
            use_buffers=True,
        )
        step = {"scheduler": rate, "interval": "step"}
        return [sgd], [step]

    def on_train_batch_end(self, *_):
        self.ema.update_parameters(self.model)


torch.manual_seed(0)
train = TensorDataset(
    torch.tensor(x_train), torch.tensor(y_train)
)
lit = OneCycle(network())
Trainer(max_epochs=10, logger=False).fit(
    lit, DataLoader(train, 32, shuffle=True)
)
print(f"accuracy {accuracy(lit.ema.module):.3f}")
