"""The real thing: trained on MNIST, both runtimes end with the same accuracy."""

import pytest
from support.data_files import real

import graphcnn as cnn
from graphcnn.models import MODELS

EPOCHS, BATCH = 2, 64


def trained(train, runtime):
    """Trained until the rate is 0: on the way the accuracy jumps by more than is allowed here."""
    steps = EPOCHS * -(-len(train) // BATCH)
    rate = cnn.schedules.Cosine(0.05, steps=steps)
    model = MODELS["lenet5"]()
    model.fit(
        train, epochs=EPOCHS, batch_size=BATCH, optimizer=cnn.SGD(rate, momentum=0.9),
        runtime=runtime, progress=False,
    )  # fmt: skip
    return model


@pytest.mark.sweep
def test_both_runtimes_learn_mnist_alike():
    train, test = cnn.data.load(f"mnist:{real('mnist')}")
    accuracy = {}
    for runtime in ("native", "reference"):
        model = trained(train, runtime)
        for other in ("native", "reference"):
            found = model.evaluate(test, runtime=other)["accuracy"]
            print(f"trained by {runtime}, measured by {other}: {100 * found:.2f} %")
            accuracy[runtime, other] = found
        assert accuracy[runtime, "native"] == pytest.approx(
            accuracy[runtime, "reference"], abs=1e-4
        )
    values = accuracy.values()
    assert min(values) > 0.96
    assert max(values) - min(values) < 0.002
