"""A command whose help lists its options under headings."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

#: What all commands have, at the end.
_ALWAYS = "Help"


class Sectioned(click.Command):
    """A command with many options: they are listed under `sections`, heading and names of
    parameters, in that order. What no section names is listed at the end."""

    def __init__(self, *args: Any, sections: Mapping[str, Sequence[str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sections = sections

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        options = (p for p in self.get_params(context) if isinstance(p, click.Option))
        found = {option.name: option.get_help_record(context) for option in options}
        records = {name: record for name, record in found.items() if record is not None}
        for heading, names in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl([records.pop(name) for name in names if name in records])
        with formatter.section(_ALWAYS):
            formatter.write_dl(list(records.values()))
