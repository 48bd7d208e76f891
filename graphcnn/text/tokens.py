"""The words of the text form: what `graphcnn.text.parse` reads instead of characters."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, NoReturn, TypeVar

from graphcnn.errors import GraphError
from graphcnn.text.literals import PLAIN, QUOTED, unquote

#: Texts with more characters are refused before they are read.
MAX_CHARACTERS: Final = 1 << 30
#: Integers with more digits are refused; no attribute and no size is that large.
MAX_DIGITS: Final = 40

_TOKEN: Final = re.compile(
    rf"(?P<newline>\n)|(?P<space>[ \t\r]+)|(?P<comment>#[^\n]*)|(?P<string>{QUOTED})"
    r"|(?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_.])|-inf\b)"
    rf"|(?P<name>{PLAIN})|(?P<sign><-|[()\[\]{{}},;:=@*])"
)

#: What is written of operators that a user defined.
_HOME: Final = re.compile(rf"# ({PLAIN}) is (class .+)")

_OPENING: Final = frozenset("([{")
_CLOSING: Final = frozenset(")]}")

T = TypeVar("T")


class Token(NamedTuple):
    """A word with its line. `kind` is string, number, name, sign, comment, newline or end."""

    kind: str
    text: str
    line: int

    def __str__(self) -> str:
        if self.kind in ("newline", "end"):
            return f"the end of the {'line' if self.kind == 'newline' else 'text'}"
        return self.text if len(self.text) <= 40 else f"{self.text[:37]}..."


def fail(line: int, problem: str) -> NoReturn:
    """Raise the error of the parser."""
    raise GraphError(f"line {line}: {problem}")


def located(line: int, function: Callable[..., T], *args: Any) -> T:
    """`function(*args)`, with the line put before its error."""
    try:
        return function(*args)
    except GraphError as error:
        raise type(error)(f"line {line}: {error}") from None


def tokenize(text: str) -> Iterator[Token]:
    """The words in order, ended by one of kind "end".

    Line ends inside parentheses are left out, but not those of a graph's lines in braces.

    Raises `GraphError` where a character begins no word.
    """
    if len(text) > MAX_CHARACTERS:
        raise GraphError(f"the text has {len(text)} characters, at most {MAX_CHARACTERS} are read")
    position, line, before = 0, 1, ""
    opened: list[bool] = []  # for each bracket that is open: whether line ends count inside
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            fail(line, _no_word(text, position))
        kind, word = str(match.lastgroup), match.group()
        if word in _OPENING and kind == "sign":
            opened.append(word == "{" and before == ")")
        elif word in _CLOSING and kind == "sign" and opened:
            opened.pop()
        counts = not opened or opened[-1]
        if kind not in ("space", "newline", "comment"):
            before = word
        if kind != "space" and (counts or kind not in ("newline", "comment")):
            yield Token(kind, word, line)
        line += kind == "newline"
        position = match.end()
    yield Token("end", "", line)


def _no_word(text: str, position: int) -> str:
    found = text[position : position + 20].split("\n")[0]
    if found.startswith('"'):
        return f"quotes that do not end on this line, or an unknown escape: {found}"
    return f"expected a name, a number or a sign, found {found!r}"


class Words:
    """A text read word by word, from left to right. Every method that fails names the line."""

    def __init__(self, text: str) -> None:
        self._words = list(tokenize(text))
        self._position = 0

    def home(self, op: str) -> str:
        """Where an operator that is not known came from, if a comment says so."""
        homes = (_HOME.fullmatch(w.text) for w in self._words if w.kind == "comment")
        return next((home[2] for home in homes if home and home[1] == op), "")

    @property
    def word(self) -> Token:
        """The next word, not yet taken."""
        return self._words[self._position]

    @property
    def line(self) -> int:
        return self.word.line

    def take(self) -> Token:
        word = self.word
        self._position += word.kind != "end"
        return word

    def at(self, text: str, ahead: int = 0) -> bool:
        """Whether the next word (or one `ahead` of it) is this sign or bare name."""
        word = self._words[min(self._position + ahead, len(self._words) - 1)]
        return word.text == text and word.kind in ("sign", "name")

    def accept(self, text: str) -> bool:
        """Take the next word if it is `text`."""
        found = self.at(text)
        if found:
            self.take()
        return found

    def expect(self, text: str) -> None:
        if not self.accept(text):
            self.unexpected(repr(text))

    def unexpected(self, expected: str) -> NoReturn:
        fail(self.line, f"expected {expected}, found {self.word}")

    def blank_lines(self) -> None:
        while self.word.kind in ("newline", "comment"):
            self.take()

    def bare(self, what: str) -> str:
        """A name without quotes."""
        if self.word.kind != "name":
            self.unexpected(what)
        return self.take().text

    def string(self, what: str) -> str:
        """A text in quotes."""
        if self.word.kind != "string":
            self.unexpected(what)
        return located(self.line, unquote, self.take().text)

    def name(self, what: str) -> str:
        """A name, bare or in quotes."""
        return self.string(what) if self.word.kind == "string" else self.bare(what)

    def number(self, what: str = "a number") -> int | float:
        if self.word.kind != "number":
            self.unexpected(what)
        line, text = self.line, self.take().text
        if not re.fullmatch("-?[0-9]+", text):
            return float(text)
        if len(text) > MAX_DIGITS:
            fail(line, f"expected an integer of at most {MAX_DIGITS} digits, found {len(text)}")
        return int(text)

    def integer(self, what: str) -> int:
        line, number = self.line, self.number(what)
        if not isinstance(number, int):
            fail(line, f"expected {what}, found {number}")
        return number

    def separated(self, item: Callable[[], T], end: str) -> list[T]:
        """Items with commas between them, up to the sign `end`, which is taken."""
        items: list[T] = []
        while not self.accept(end):
            items.append(item())
            if not self.at(end):
                self.expect(",")
        return items
