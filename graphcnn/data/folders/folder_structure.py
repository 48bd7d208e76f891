"""Where the classes of a folder of pictures lie: in the folder itself, or in its parts.

A class folder holds pictures; a part (train, val, test) holds class folders. Both have to be so:
a class may be called "train", and what merely looks like a part is not taken for classes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from graphcnn.data.class_names import listed
from graphcnn.data.folders.image_files import FORMATS
from graphcnn.data.folders.members import Members, Name
from graphcnn.data.parts import assigned, part_named
from graphcnn.errors import DataError, DataWarning
from graphcnn.ir.origin import warn

_EXPECTED = "expected CLASS/PICTURE, or train/CLASS/PICTURE and the same in test or val"


def folders_of(files: Members) -> Mapping[str, tuple[Name, int]]:
    """Where each part begins: its folder, and how deep the names of its classes stand.

    The parts are "train", "test" and "validation", or "train" alone for a set without parts. What
    is for validation is for testing where nothing else is. Folders beside one for training whose
    pictures have no class (seg_pred, the test folder of a contest) are left out, with a warning.

    Raises `DataError` for no picture at all, pictures beside the parts, parts without one for
    training, and folders that may as well be parts as classes.
    """
    if not files.names:
        raise DataError(f"{files.root} holds no picture ({', '.join(FORMATS)}){_archive(files)}")
    depth = 0  # folders around the whole set, as archives often have one
    while _is_around(files.names, depth):
        depth += 1
    around = files.names[0][:depth]
    pure = _without_pictures(files.names, depth)
    parts = [folder for folder in pure if part_named(folder)]
    if not parts:
        _refuse_unknown_parts(files, pure, depth)
        _warn_of_names_of_parts(files, depth)
        return {"train": (around, depth)}
    without_classes = _without_classes(files, parts, depth)
    found = dict(assigned([p for p in parts if p not in without_classes], files.label(around)))
    _refuse_others(files, {*parts, *without_classes}, depth)
    if "train" not in found:
        raise DataError(
            f"{files.label(around)} holds no pictures for training, but for "
            f"{' and '.join(f'{kind} ({folder})' for kind, folder in found.items())}; "
            f"{_EXPECTED}. One of these folders can be named itself"
        )
    if "test" not in found and "validation" in found:
        found["test"] = found.pop("validation")
    for folder in without_classes:
        count = sum(name[depth] == folder for name in files.names)
        warn(
            f"{files.label((*around, folder))} is left out: its {count} pictures lie in no class "
            f"folder, and what has no class can only be predicted; {_EXPECTED}",
            DataWarning,
        )
    order = [kind for kind in ("train", "test", "validation") if kind in found]
    return {kind: _start(files, (*around, found[kind])) for kind in order}


def _archive(files: Members) -> str:
    """What to do where an archive holds the pictures."""
    if not files.archives:
        return ""
    inner = "/".join(files.archives[0])
    do = "can be named itself" if files.root.is_dir() else "has to be unpacked first"
    return f"; it holds {inner}, which {do}"


def _is_around(names: list[Name], depth: int) -> bool:
    """Whether at `depth` there is a single folder that holds nothing but folders."""
    single = len({name[depth] for name in names}) == 1
    return single and all(len(name) > depth + 2 for name in names)


def _without_pictures(names: Sequence[Name], depth: int) -> list[str]:
    """The folders at `depth` that hold folders, and no picture themselves."""
    direct = {name[depth] for name in names if len(name) == depth + 2}
    return sorted({name[depth] for name in names if len(name) > depth + 2} - direct)


def _start(files: Members, part: Name) -> tuple[Name, int]:
    """Where the classes of a part begin: seg_train/seg_train/CLASS has the part twice."""
    depth = len(part)
    names = [name for name in files.names if name[:depth] == part]
    while _is_around(names, depth) and part_named(names[0][depth]) == part_named(part[-1]):
        depth += 1
    return part, depth


def _without_classes(files: Members, parts: Sequence[str], depth: int) -> list[str]:
    """Folders beside one for training that hold nothing but pictures, or FOLDER/FOLDER/PICTURE.

    A folder that is called like a class of the training pictures may hold pictures of that class.
    """
    around, classes = files.names[0][:depth], set()
    training = [folder for folder in parts if part_named(folder) == "train"]
    for folder in training:
        _, at = _start(files, (*around, folder))
        classes |= {name[at] for name in files.names if name[depth] == folder and len(name) > at}
    holding: dict[str, set[Name]] = {}  # where the pictures below each folder lie
    for name in files.names:
        if len(name) > depth + 1:
            holding.setdefault(name[depth], set()).add(name[depth:-1])
    return [
        folder
        for folder, places in holding.items()
        if training
        and folder not in (*training, *classes)
        and places in ({(folder,)}, {(folder, folder)})
    ]


def _warn_of_names_of_parts(files: Members, depth: int) -> None:
    """Folders of pictures that are all called like parts are classes, but hardly meant so."""
    classes = sorted({name[depth] for name in files.names if len(name) > depth + 1})
    if len(classes) > 1 and all(map(part_named, classes)):
        warn(
            f"{files.label(files.names[0][:depth])}: the folders {listed(classes)} hold pictures, "
            f"so they are taken for the classes; were they parts of the data, {_EXPECTED}",
            DataWarning,
        )


def _refuse_others(files: Members, parts: set[str], depth: int) -> None:
    """What lies beside the parts would be lost without a word."""
    for name in files.names:
        if name[depth] in parts:
            continue
        if len(name) == depth + 1 or part_named(name[depth]):
            raise DataError(f"{files.label(name)} lies in no class folder; {_EXPECTED}")
        raise DataError(
            f"{files.label(name)} belongs to no part: beside {listed(sorted(parts))}, the folder "
            f"{name[depth]!r} is neither train nor val nor test; rename it or take it away"
        )


def _refuse_unknown_parts(files: Members, pure: Sequence[str], depth: int) -> None:
    """Folders of equal folders are parts with names that say nothing, or classes in parts."""
    inner = {folder: set[str]() for folder in pure}
    for name in files.names:
        if name[depth] in inner:
            inner[name[depth]].add(name[depth + 1])
    counts = Counter(sub for subs in inner.values() for sub in subs)
    common = sorted(sub for sub, n in counts.items() if n > 1)
    if common:
        both = [folder for folder in pure if common[0] in inner[folder]]
        raise DataError(
            f"{files.label(files.names[0][:depth])}: the folders {listed(both)} hold no pictures "
            f"themselves, and the same folders ({listed(common)}). Are they parts of the data or "
            f"classes? {_EXPECTED}: rename parts, or move the pictures "
            "of a class up into its folder"
        )
