"""Networks as estimators of scikit-learn: for its pipelines, its searches and its scores.

    from graphcnn.sklearn import Classifier

    search = GridSearchCV(
        Classifier("digits_cnn", random_state=0),
        {"epochs": [5, 10], "learning_rate": [1e-3, 3e-3]},
        n_jobs=2,
    )
    search.fit(images, labels)

Needs scikit-learn: `pip install "graphcnn[sklearn]"`.
"""

from graphcnn.errors import MissingExtraError

try:
    import sklearn  # noqa: F401
except ImportError:
    raise MissingExtraError("graphcnn.sklearn", "scikit-learn", "sklearn") from None

from graphcnn.sklearn.classifier import Classifier
from graphcnn.sklearn.regressor import Regressor

__all__ = ["Classifier", "Regressor"]
