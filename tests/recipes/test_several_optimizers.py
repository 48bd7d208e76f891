"""A recipe has an optimiser for each pattern of names, and goals by their name."""

from pathlib import Path

import numpy as np
import pytest
from support.command_line import XO, done, refused

import graphcnn as cnn
from graphcnn import recipes
from graphcnn.errors import RecipeError
from graphcnn.recipes.optimizing import optimizer_of
from graphcnn.recipes.recipe import Recipe

NETS = '''
import graphcnn as cnn


def gan():
    """A critic of pictures, and a generator of them."""
    image, code = cnn.input("image", (1, 12, 12)), cnn.input("code", (4,))
    critic = cnn.Model(image, cnn.dense(cnn.flatten(image), 1, name="D.1"))
    drawn = cnn.reshape(cnn.dense(code, 144, name="G.1", activation="sigmoid"), image.shape)
    generator = cnn.Model(code, drawn)
    drawn = generator(cnn.random_normal((cnn.N, 4)))
    outputs = {"real": critic(image), "fake": critic(drawn), "drawn": drawn}
    return cnn.Model(image, outputs, "gan")
'''
FILE = f"""
network = "nets.py:gan"
data = "{XO}"

[loss]
name = "wgan_gp"
every = 2
penalty = 5.0

[optimizer."D.*"]
name = "adam"
learning_rate = 0.01
beta1 = 0.5

[optimizer."G.*"]
name = "sgd"
learning_rate = {{ schedule = "cosine", initial = 0.02, steps = "2 epochs" }}
groups."*.bias" = {{ learning_rate = 2 }}

[optimizer."G.*".ema]
decay = 0.9

[run]
epochs = 2
batch_size = 16
seed = 3
"""
BY_HAND = {
    "D.*": cnn.Adam(0.01, beta1=0.5),
    "G.*": cnn.EMA(
        cnn.SGD(
            cnn.schedules.Cosine(0.02, cnn.schedules.epochs(2.0)),
            0.9,
            groups={"*.bias": {"learning_rate": 2}},
        ),
        0.9,
        warmup=True,
    ),
}


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(NETS)
    Path("recipe.toml").write_text(FILE)
    return tmp_path


def test_a_file_trains_as_fit_does(there: Path) -> None:
    """To the bit, with one thread and two."""
    for threads in (1, 2):
        recipe = recipes.load("recipe.toml").with_(
            {"machine.threads": threads, "output.progress": False}
        )
        found = recipes.train(recipe)
        model = cnn.models.resolve.find("nets.py:gan").build({})
        history = model.fit(
            found.parts.train, loss=cnn.goals.WGANGP(every=2, penalty=5.0), optimizer=BY_HAND,
            epochs=2, batch_size=16, seed=3, threads=threads, progress=False,
        )  # fmt: skip
        assert found.history.rows == history.rows
        for key, array in model.states.items():
            assert array.tobytes() == found.model.states[key].tobytes(), key
    assert {"d_loss", "d_penalty", "d_distance", "g_loss"} <= found.results.keys()


def test_a_run_says_how_to_repeat_it_and_goes_on_to_the_same_bits(there: Path) -> None:
    done("train", "recipe.toml", "--run", "whole", "--no-progress")
    done("train", "recipe.toml", "--run", "cut", "--epochs", "1", "--no-progress")
    told = recipes.load("whole/recipe.toml")
    assert told.loss == {"name": "wgan_gp", "every": 2, "penalty": 5.0}
    assert list(told.optimizer) == ["D.*", "G.*"]
    assert told.optimizer["G.*"]["momentum"] == 0.9  # suggested, and so kept
    assert told.optimizer["G.*"]["ema"] == {"warmup": True, "decay": 0.9}
    assert str(Recipe.of(told.said)) == str(told)
    assert optimizer_of(told) == optimizer_of(recipes.load("recipe.toml"))
    done("train", "whole/recipe.toml", "--run", "again", "--no-progress")
    assert Path("again/recipe.toml").read_bytes() == Path("whole/recipe.toml").read_bytes()
    whole, again = (cnn.load(f"{name}/model.safetensors") for name in ("whole", "again"))
    assert all(np.array_equal(a, again.states[key]) for key, a in whole.states.items())
    assert whole.objective == cnn.goals.WGANGP(every=2, penalty=5.0)
    done("train", "--resume", "cut", "--epochs", "2", "--no-progress")
    resumed = cnn.load("cut/model.safetensors")
    assert all(np.array_equal(a, resumed.states[key]) for key, a in whole.states.items())


def test_one_recipe_over_another() -> None:
    several = Recipe.of(
        {
            "optimizer": {
                "D.*": {"name": "sgd", "momentum": 0.5},
                "G.*": {"learning_rate": 0.1, "ema": {"decay": 0.9}},
            }
        }
    )
    assert several.with_({'optimizer."D.*".learning_rate': 0.2}).optimizer["D.*"] == {
        "name": "sgd",
        "momentum": 0.5,
        "learning_rate": 0.2,
    }
    # Another optimiser begins its table anew, and one of all takes the place of several.
    other = several.with_({'optimizer."D.*".name': "adam"})
    assert other.optimizer["D.*"] == {"name": "adam"}
    assert other.optimizer["G.*"] == several.optimizer["G.*"]
    assert several.with_({"optimizer": "sgd"}).optimizer == {"name": "sgd"}
    single = Recipe.of({"optimizer": {"name": "sgd", "momentum": 0.5}})
    both = {"D.*": {"name": "adam"}, "G.*": {}}
    assert single.with_({"optimizer": both}).optimizer == both


def test_averages_of_all_and_of_one() -> None:
    table = {"D.*": {}, "G.*": {"ema": {"decay": 0.9}}, "H.*": {"ema": False}}
    made = dict(optimizer_of(Recipe.of({"optimizer": table, "ema": {"decay": 0.5}})).pairs)
    assert made["D.*"].decay == 0.5 and made["G.*"].decay == 0.9
    assert isinstance(made["H.*"], cnn.Adam)
    made = dict(optimizer_of(Recipe.of({"optimizer": table})).pairs)
    assert isinstance(made["D.*"], cnn.Adam) and isinstance(made["G.*"], cnn.EMA)


def test_a_schedule_is_a_factor_on_all_rates() -> None:
    table = {"D.*": {"learning_rate": 0.3}, "G.*": {"learning_rate": 0.1}}
    made = optimizer_of(Recipe.of({"optimizer": table, "schedule": "cosine"}))
    assert made.learning_rate == cnn.schedules.Cosine(1.0)
    assert [each.learning_rate for _, each in made.pairs] == [0.3, 0.1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[optimizer]\nname='sgd'\n'D.*'={}", ":2: optimizer.name stands beside optimisers by pat"),
        ("[optimizer]\n'D.*'={}\nlearning_rate=1", 'it of each, optimizer."D.*".learning_rate'),
        ("[optimizer]\n'D.*'='adam'", ':2: optimizer."D.*": expected a table, the settings of'),
        ("[optimizer.'D.*']\nname='sdg'", ':2: optimizer."D.*".name: expected one of sgd'),
        ("[optimizer.'D.*']\nbeta=1", ':2: optimizer."D.*".beta is not known of Adam, did you'),
        ("[optimizer.'D.*']\nema=3", ':2: optimizer."D.*".ema: expected a table, or false'),
        ("[optimizer.'D.*'.ema]\nrate=3", ':2: optimizer."D.*".ema.rate is not known of EMA'),
        ("[optimizer.'D.*']\n[optimizer.'E.*']", ":2: optimizer.\"E.*\": optimizer['E.*'] fits no"),
        ("[optimizer.'D.*']\n[optimizer.'*']", "would be changed by two optimisers"),
        (
            "[optimizer.'D.*']\n[optimizer.'G.*'.groups.'*.bis']\nweight_decay=0",
            ':2: optimizer."G.*".groups."*.bis": groups[\'',
        ),
        ("loss='wgan_gq'", ":1: loss.name: expected one of cross_entropy"),
        ("loss='wgan_gq'", "did you mean wgan_gp?"),
        (
            "loss={name='gan', penalty=3}",
            ":1: loss.penalty has no meaning for gan; it is for wgan_gp",
        ),
        ("loss={name='gan', every=0}", ":1: loss: every= takes a number of steps"),
        ("loss={name='wgan_gp', penalty=-1}", ":1: loss: penalty must be finite"),
        ("loss={name='gan', critic='C.*'}", "goal 'd': trains='C.*' fits no parameter"),
    ],
)
def test_errors_name_file_line_and_key(there: Path, text: str, message: str) -> None:
    if "loss" not in text:
        text += "\n[loss]\nname='gan'"
    Path("wrong.toml").write_text(text)
    told = refused(2, "train", "wrong.toml", "--set", "network.name=nets.py:gan",
                   "--set", f"data.source={XO}", "--no-progress")  # fmt: skip
    assert message in told and "wrong.toml" in told


def test_by_patterns_is_not_what_a_word_is() -> None:
    with pytest.raises(RecipeError, match="momentun is not known of SGD, did you mean momentum"):
        optimizer_of(Recipe.of({"optimizer": {"name": "sgd", "momentun": {"schedule": "cosine"}}}))


def test_what_is_stated_can_be_compared(there: Path) -> None:
    """Found before the run, which would end with it."""
    Path("recipe.toml").write_text(
        FILE.replace("wgan_gp", "gan").replace("penalty = 5.0", "")
        + "\n[states]\nd_loss = 3\nd_real = 0.5\n"
    )
    told = refused(2, "train", "recipe.toml")
    wanted = "states.d_real cannot be stated: nobody knows whether more or less is better"
    assert wanted in told and "recipe.toml:" in told
    assert not Path("gan.safetensors").exists()
