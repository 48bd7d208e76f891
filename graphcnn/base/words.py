"""Words of others, made fit to be shown."""


def printable(text: str) -> str:
    """The text on one line: what cannot be printed becomes "·", spaces of all kinds a space.

    Marks that change the direction of what follows are among the first.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else "·" for c in text)
