"""Recipes: everything of a training run in one file, and those that reach what they state.

    recipe = graphcnn.recipes.load("digits")            # or the path of a file
    result = graphcnn.recipes.train(recipe.with_({"run.seed": 1}))
    print(result.results, result.reached)

On the command line: `graphcnn train recipe.toml`, `graphcnn train --recipe digits`.
"""

from graphcnn.errors import RecipeError
from graphcnn.recipes.loading import RECIPES, load
from graphcnn.recipes.recipe import Recipe
from graphcnn.recipes.training import Trained
from graphcnn.recipes.training import train_recipe as train

__all__ = ["RECIPES", "Recipe", "RecipeError", "Trained", "load", "train"]
