"""Recipes: what a file says is what options say, and what it cannot mean is told with its line."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.command_line import XO, done, refused

import graphcnn as cnn
from graphcnn import recipes
from graphcnn.errors import RecipeError
from graphcnn.models.resolve import find
from graphcnn.recipes.optimizing import optimizer_of
from graphcnn.recipes.recipe import Recipe, keys
from graphcnn.recipes.writing import toml
from graphcnn.tools.commands.train import train
from graphcnn.tools.commands.training.told import KEYS, _settings
from graphcnn.training.monitor import Monitor

FILE = f"""
network = "nets.py:tiny"
data = "{XO}"

[data]
augment = ["flip", "crop(2, mode='edge')"]

[loss]
label_smoothing = 0.1
class_weights = {{ X = 2 }}

[optimizer]
name = "sgd"
learning_rate = 0.2
momentum = {{ schedule = "one_cycle", peak = 0.8, first = 0.9, last = 0.9 }}
nesterov = true
groups."*.bias" = {{ learning_rate = 2, weight_decay = 0.01 }}

[schedule]
name = "cosine"
warmup = "0.5 epochs"

[lookahead]
every = 2

[ema]
decay = 0.9

[run]
epochs = 2
batch_size = 16
seed = 3
"""
FILE = FILE.replace(f'data = "{XO}"\n\n[data]\n', f'[data]\nsource = "{XO}"\n')


def test_a_file_trains_as_fit_does(here: Path) -> None:
    """To the bit, with one thread and two."""
    Path("recipe.toml").write_text(FILE)
    for threads in (1, 2):
        done("train", "recipe.toml", "--threads", threads, "--no-progress", "-o", "a.safetensors")
        if threads == 1:
            one = Path("a.safetensors").read_bytes()
    assert one == Path("a.safetensors").read_bytes()
    model, (data, test) = find("nets.py:tiny").build(), cnn.data.load(XO)
    rates = cnn.schedules.warmup(cnn.schedules.Cosine(0.2), cnn.schedules.epochs(0.5))
    momentum = cnn.schedules.OneCycle(0.8, first=0.9, last=0.9)
    groups = {"*.bias": {"learning_rate": 2, "weight_decay": 0.01}}
    sgd = cnn.SGD(rates, momentum, nesterov=True, groups=groups)
    model.fit(
        data.augmented(cnn.augment.flip(), cnn.augment.crop(2, "edge")),
        epochs=2,
        batch_size=16,
        loss=cnn.losses.CrossEntropy(label_smoothing=0.1),
        class_weights={"X": 2},
        optimizer=cnn.EMA(cnn.Lookahead(sgd, every=2), 0.9, warmup=True),
        seed=3,
        progress=False,
    )
    model.save("fit.safetensors")
    assert one == Path("fit.safetensors").read_bytes()
    trained = recipes.train(recipes.load("recipe.toml").with_({"output.progress": False}))
    assert trained.results == model.evaluate(test)


def test_every_option_is_a_key_and_every_key_can_be_set() -> None:
    options = {p.name for p in train.params} - {"recipe", "settings", "debug"}
    assert options == set(KEYS)
    known = keys()
    tables = {name for name in known if "." not in name}
    assert all(key in known or key.partition(".")[0] in tables for key in KEYS.values())
    for key, value in ((k, v) for k, v in known.items() if "." in k):
        found = value if value is not None and value != () else _fitting(key)
        text = toml({"x": [found]}).strip().removeprefix("x = [").removesuffix("]")
        recipe = Recipe().with_(*_settings((f"{key}={text}",)))
        assert _at(recipe.said, key) == found


def _fitting(key: str) -> object:
    """A value for a key that has none by default."""
    for value in (2, "native", "flip", "fast", "raise", "white", True, ["data"], {"a": 1}):
        try:
            Recipe.of({key: value})
        except RecipeError:
            continue
        return value
    raise AssertionError(key)


def _at(tree: object, key: str) -> object:
    for name in key.split("."):
        assert isinstance(tree, dict)
        tree = tree[name]
    return tree


def test_options_count_more_than_the_recipe_and_set_more_than_options(here: Path) -> None:
    Path("recipe.toml").write_text(FILE.replace("epochs = 2", "epochs = 9"))
    common = ("train", "--recipe", "recipe.toml", "--no-progress", "--log", "log.csv")

    def epochs(*more: object) -> int:
        done(*common, *more)
        return len(Path("log.csv").read_text().splitlines()) - 1

    assert epochs("--epochs", 3) == 3
    assert epochs("--epochs", 3, "--set", "run.epochs=1") == 1
    # Another optimiser begins its table anew: its learning rate is its own.
    recipe = recipes.load("recipe.toml")
    assert recipe.with_({"optimizer.learning_rate": 1.0}).optimizer["nesterov"]
    assert recipe.with_({"optimizer": "adam"}).optimizer == {"name": "adam"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[optimizer]\nname='sgd'\n\nmomentun=1",
            ":4: optimizer.momentun is not known of SGD, did",
        ),
        ("[optimizer]\nname='sgd'\n\nmomentun=1", "did you mean momentum?"),
        (
            "[optimizer]\nmomentum=0.9",
            ":2: optimizer.momentum has no meaning for adam; it is for sgd",
        ),
        ("[rum]\nepochs=2", ":1: rum is not known, did you mean run?"),
        ("run.epoch=2", ":1: run.epoch is not known, did you mean epochs?"),
        (
            "[run]\n# one\nepochs=0",
            ":3: run.epochs: expected a whole number of at least 1, found 0",
        ),
        ("run = {\nepochs = 1", ":1: "),
        ("\n\nx = [1,\n2", ":4: "),
        ("optimizer='sdg'", ":1: optimizer.name: expected one of sgd, "),
        ("optimizer='sdg'", "did you mean sgd?"),
        ("[schedule]\nname='cosine'\nrise=1", ":3: schedule.rise is not known of Cosine"),
        ("[optimizer]\nlearning_rate='fast'", ":2: optimizer.learning_rate: "),
        (
            "[optimizer]\nname='sgd'\nmomentum={schedule='cosine', initial=-1}",
            ":3: optimizer.momentum.initial: Cosine: initial must be a number greater than 0",
        ),
        (
            "loss={name='focal',label_smoothing=0.1}",
            ":1: loss.label_smoothing has no meaning for focal",
        ),
        ("data.augment=['flip',\n'crp(4)']", ":1: data.augment: unknown transform 'crp'; did you"),
        ("[run]\nmonitor='val_loss'", ":2: run.monitor says what --early-stopping watches"),
        ("[data]\nsize=20", ":2: data.size: for images:PATH and parquet:PATH, not for xo"),
        ("[network]\nname='lenet6'", ":2: network.name: unknown model 'lenet6'; did you mean"),
        ("network='nothing.py:f'", "nothing.py"),
        ("[run]\nmax_time='soon'", ":2: run.max_time: a time must be seconds"),
        ("[run]\nbatch_size=1000", ":2: run.batch_size: batch_size must be from 1 to the"),
        ("[run]\nseed=9223372036854775808", ":2: run.seed: expected a whole number of at least 0"),
        ("[machine]\nthreads=1000", ":2: machine.threads: threads must be"),
        ("[run]\n[run]", ":2: the table run is there twice"),
        ("a = " + "[" * 3000, ":1: tables or lists lie too deep"),
        (f"[a{'.a' * 3000}]", ":1: tables or lists lie too deep"),
        ("[loss]\nclass_weights=3", ":2: loss.class_weights: expected a text such as"),
        ("loss.class_weights={cat=1}", ":1: loss.class_weights: 'xo' has no class 'cat'"),
        ("loss={label_smoothing=2}", ":1: loss.label_smoothing: label_smoothing must be"),
        ("measuring='acuracy'", ":1: measuring.metrics: unknown metric 'acuracy'; did you mean"),
        ("schedule={name='cosine',steps='1.2.3 epochs'}", ":1: schedule.steps: Cosine: steps"),
        ("[schedule]\nwarmup=-1", ":2: schedule.warmup: epochs must be a number greater than 0"),
        ("[optimizer]\nname='sgd'\nnesterov='no'", ":3: optimizer.nesterov: expected true or"),
        (
            "[optimizer.groups.'*.bias']\nlerning_rate=2",
            ':2: optimizer.groups."*.bias".lerning_rate: unknown setting of Adam',
        ),
        ("[optimizer.groups.'*.bis']\nweight_decay=0", ':1: optimizer.groups."*.bis": groups['),
        ("lookahead.steps=3", ":1: lookahead.steps is not known of Lookahead; known are every"),
        ("swa=true", ":1: swa: expected a table, or false, found True"),
        ("network={name='nets.py:tiny',arguments={chanels=3}}", ":1: network.arguments: nets.py"),
    ],
)
def test_errors_name_file_line_key_and_the_nearest(here: Path, text: str, message: str) -> None:
    Path("wrong.toml").write_text(text)
    more = () if "network" in text else ("--set", "network.name=nets.py:tiny")
    told = refused(2, "train", "wrong.toml", *more, "--set", f"data.source={XO}")
    assert message in told and "wrong.toml" in told


def test_what_is_around_the_optimiser_is_switched_off(here: Path) -> None:
    Path("recipe.toml").write_text(FILE)
    recipe = recipes.load("recipe.toml").with_({"ema.decay": 0.9})
    off = recipe.with_(*_settings(("ema=false", "swa=false", "lookahead=false")))
    assert off.ema == off.lookahead == {}
    assert not {"ema", "swa", "lookahead"} & off.said.keys()
    assert type(optimizer_of(off)) is cnn.SGD and isinstance(optimizer_of(recipe), cnn.EMA)
    assert off.with_({"ema.decay": 0.5}).ema == {"decay": 0.5}
    told = refused(2, "train", "recipe.toml", "--set", "optimiser.momentum=0.8")
    assert "did you mean optimizer.momentum?" in told
    with pytest.raises(RecipeError, match=r"^run.epochs: expected"):  # it is in no line
        recipe.with_({"run.epochs": 0})


def test_a_file_may_begin_with_the_mark_of_its_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbfabout = 'a'")
    assert recipes.load(tmp_path / "a.toml").about == "a"


def test_paths_of_a_file_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        "network='net.py:f'\n[data]\nsource='images:pictures'\n[output]\nrun='first'\n"
        "logs=['log.csv', 'tensorboard:board']"
    )
    recipe = recipes.load(tmp_path / "a.toml")
    assert recipe.network.name == f"{tmp_path}/net.py:f"  # which was not run to be read
    assert recipe.data.source == f"images:{tmp_path}/pictures"
    assert recipe.output.run == f"{tmp_path}/first"
    assert recipe.output.logs == (f"{tmp_path}/log.csv", f"tensorboard:{tmp_path}/board")


_WORDS = st.text(max_size=6)
_PLAIN = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3),
    max_leaves=4,
)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(_WORDS, _PLAIN, max_size=3))
def test_what_is_written_is_read_again(tree: dict[str, object]) -> None:
    assert tomllib.loads(toml(tree)) == tree


def test_built_in_recipes_are_what_a_file_may_say() -> None:
    for name in recipes.RECIPES:
        recipe = recipes.load(name)
        assert recipe.states and recipe.about and recipe.network.name and recipe.data.source
        optimizer_of(recipe)
        assert Recipe.of(tomllib.loads(str(recipe))) == recipe
        for stated in recipe.states:
            _ = Monitor(stated).more  # known
