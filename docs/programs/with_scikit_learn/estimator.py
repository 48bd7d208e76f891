from flat import x_test, x_train, y_test, y_train
from network import network
from sklearn.model_selection import GridSearchCV

search = GridSearchCV(
    network(),
    {"max_iter": [2, 5], "solver": ["adam"]},
    cv=2,
)
search.fit(x_train, y_train)
best = search.best_estimator_
print(search.best_params_)
print(f"accuracy {best.score(x_test, y_test):.3f}")
