from digits import x_test, x_train, y_test, y_train
from graphcnn.sklearn import Classifier
from network import network
from sklearn.model_selection import GridSearchCV

search = GridSearchCV(
    Classifier(network, random_state=0),
    {"epochs": [2, 5], "optimizer": ["adam"]},
    cv=2,
)
search.fit(x_train, y_train)
best = search.best_estimator_
print(search.best_params_)
print(f"accuracy {best.score(x_test, y_test):.3f}")
best.model_.save("digits.safetensors")
