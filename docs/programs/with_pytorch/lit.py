import lightning
import torch
from torch.nn.functional import cross_entropy


class Lit(lightning.LightningModule):
    def __init__(self, model, weights=None):
        super().__init__()
        self.model, self.weights = model, weights

    def training_step(self, batch, _):
        images, labels = batch
        loss = cross_entropy(
            self.model(images), labels, self.weights
        )
        self.log("loss", loss)
        return loss

    def validation_step(self, batch, _):
        images, labels = batch
        loss = cross_entropy(self.model(images), labels)
        self.log("val_loss", loss)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-3)
