"""Modules that fill registries when they are imported: found by walking their folder."""

import pkgutil
from functools import cache
from importlib import import_module


@cache
def import_all(package: str) -> None:
    """Import every module of a package and of the folders in it, in the order of their names.

    A new file in such a folder needs no list: that it is there is enough.
    """
    for module in pkgutil.iter_modules(import_module(package).__path__):
        name = f"{package}.{module.name}"
        if module.ispkg:
            import_all(name)
        else:
            import_module(name)
