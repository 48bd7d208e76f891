from sklearn.neural_network import MLPClassifier


def network(**settings):
    return MLPClassifier(
        (128,), batch_size=32, random_state=0, **settings
    )
