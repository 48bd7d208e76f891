"""The parser of the text form: the inverse of `graphcnn.text.write`. Nothing is ever evaluated.

    text   = "graph" STRING "(" [NAME ":" type {"," NAME ":" type}] ")" "{" {line} "}"
    line   = NAME "=" OP "(" [value {"," value}] [";"] [attribute {"," attribute}] ")" [":" types]
           | "return" NAME "=" value | "update" value "<-" value
    value  = NAME [":" NUMBER]

An attribute may be a text itself, or an operator with its attributes. Types may be left out,
except those of states and constants.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, cast

import graphcnn.ops  # noqa: F401  fills OPS
from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import OPS, Array, Node, Op, Value, build
from graphcnn.ir.origin import Origin
from graphcnn.ir.sources import Constant, Input, Role, State
from graphcnn.ir.tensor_type import BatchSize, Dim, DType, N, TensorType
from graphcnn.text.literals import (
    PLAIN,
    QUOTED,
    elements,
    format_type,
    from_base64,
    known_initializers,
    unquote,
)
from graphcnn.text.schema import check_attributes
from graphcnn.text.tokens import Words, fail, located

#: Tuples in attributes may be nested this deep.
MAX_DEPTH: Final = 16

_NAME: Final = rf"(?:{PLAIN}|{QUOTED})"
_ORIGIN: Final = re.compile(
    rf"#\s*(?:(?P<file>[A-Za-z0-9_.<>-]+|{QUOTED}):(?P<line>-?[0-9]{{1,12}})(?!\S)\s*)?"
    rf"(?:by (?P<passes>{_NAME}(?:, {_NAME})*)(?!\S)\s*)?(?:for (?P<forward>{_NAME})(?!\S)\s*)?"
)
_WORDS: Final[dict[str, Any]] = {
    "True": True,
    "False": False,
    "None": None,
    "N": N,
    "inf": float("inf"),
    "-inf": -float("inf"),
    "nan": float("nan"),
    **{str(d): d for d in DType},
    **{str(r): r for r in Role},
}


def parse_graph(text: str, constants: Mapping[str, Array] | None = None) -> Graph:
    """The graph that `format_graph` or `dump_graph` wrote.

    Args:
        constants: arrays by digest (or its beginning), for constants that the text elides.

    Raises:
        GraphError: with the line, what was expected there and what was found.
    """
    return _Parser(Words(text), constants or {}).whole()


class _Parser:
    def __init__(self, words: Words, constants: Mapping[str, Array], depth: int = 0) -> None:
        self.words = words
        self.constants = constants
        self.depth = depth
        self.nodes: dict[str, Node] = {}

    def whole(self) -> Graph:
        """The graph, and nothing after it."""
        self.words.blank_lines()
        graph = self.graph()
        self.words.blank_lines()
        if self.words.word.kind != "end":
            self.words.unexpected("nothing after the graph")
        return graph

    def graph(self) -> Graph:
        words = self.words
        words.expect("graph")
        name = words.string("the graph's name in quotes")
        words.expect("(")
        inputs = words.separated(self.signature, ")")
        words.expect("{")
        outputs: dict[str, Value] = {}
        updates: dict[Value, Value] = {}
        words.blank_lines()
        while not words.at("}"):
            line = words.line
            if words.at("=", ahead=1) or words.word.kind == "string":
                self.node()
            elif words.accept("return"):
                key = words.name("the name of an output")
                if key in outputs:
                    fail(line, f"the output {key!r} is returned twice")
                words.expect("=")
                outputs[key] = self.value()
                self.line_end()
            elif words.accept("update"):
                state = self.value()
                if state in updates:
                    fail(line, f"the state {state.node.name!r} is updated twice")
                words.expect("<-")
                updates[state] = self.value()
                self.line_end()
            else:
                words.unexpected("a node (name = operator(...)), return, update or '}'")
            words.blank_lines()
        line = words.take().line
        return located(line, _assemble, inputs, outputs, updates, self.nodes.values(), name)

    def signature(self) -> Value:
        line, key = self.words.line, self.words.name("the name of an input")
        self.words.expect(":")
        op = Input(key, self.type())
        return self.add(line, located(line, build, op, (), key, Origin()))

    def add(self, line: int, node: Node) -> Value:
        if node.name in self.nodes:
            fail(line, f"{node.name!r} is defined twice")
        self.nodes[node.name] = node
        return node.outputs[0]

    def node(self) -> None:
        words = self.words
        line, name = words.line, words.name("the name of a node")
        words.expect("=")
        op = words.bare("the name of an operator")
        if op not in OPS or op == Input.name:
            home = words.home(op)
            more = f": it is an operator of its user's own, {home}; import or run what defines it, "
            more = f"{more}with @cnn.operator, before this is read"
            fail(line, f"unknown operator {op!r}{more if home else _nearest(op, OPS)}")
        words.expect("(")
        array = self.elements() if op == Constant.name else None
        operands, attributes = self.arguments()
        types: list[TensorType] = []
        if words.accept(":"):
            types.append(self.type())
            while words.accept(","):
                types.append(self.type())
        origin = self.line_end()
        if op in (State.name, Constant.name):
            if len(types) != 1 or operands:
                fail(line, f"expected {op}(...) : type, without operands and with one type")
            if array is None:
                attributes = {"key": name, **attributes, "type": types[0]}
            else:
                attributes = {**attributes, "array": located(line, array, types[0])}
        node = located(line, _build, op, attributes, operands, name, origin)
        if types and node.types != tuple(types):
            gives, says = (", ".join(map(format_type, ts)) for ts in (node.types, types))
            fail(line, f"{op} {name!r} gives {gives}, the text says {says}")
        self.add(line, node)

    def arguments(self) -> tuple[list[Value], dict[str, Any]]:
        """Operands and attributes, up to the closing parenthesis."""
        words = self.words
        operands: list[Value] = []
        attributes: dict[str, Any] = {}
        while not words.accept(")"):
            if words.at("=", ahead=1):
                line, key = words.line, words.bare("the name of an attribute")
                if key in attributes:
                    fail(line, f"the attribute {key!r} is given twice")
                words.expect("=")
                attributes[key] = self.attribute()
            elif attributes:
                words.unexpected("another attribute (name = value) or ')'")
            else:
                operands.append(self.value())
            if not words.at(")") and not words.accept(";"):
                words.expect(",")
        return operands, attributes

    def value(self) -> Value:
        words = self.words
        line, name = words.line, words.name("the name of a value")
        node = self.nodes.get(name)
        if node is None:
            fail(line, f"{name!r} is not defined above this line{_nearest(name, self.nodes)}")
        index = words.integer("the number of a result") if words.accept(":") else 0
        if not 0 <= index < len(node.outputs):
            fail(line, f"{name!r} has {len(node.outputs)} results, there is no {name}:{index}")
        return node.outputs[index]

    def line_end(self) -> Origin:
        """The origin in the comment at the end of a line; other comments say nothing."""
        words = self.words
        match = None
        if words.word.kind == "comment":
            match = _ORIGIN.fullmatch(words.take().text)
        elif words.word.kind not in ("newline", "end") and not words.at("}"):
            words.unexpected("the end of the line")
        if match is None:
            return Origin()
        passes = re.findall(_NAME, match["passes"] or "")
        return Origin(
            _bare(match["file"]),
            int(match["line"] or 0),
            tuple(map(_bare, passes)),
            _bare(match["forward"]),
        )

    def type(self) -> TensorType:
        """`f32[N,1,28,28]@layout`."""
        words = self.words
        line, word = words.line, words.bare("a type such as f32[N,3,32,32]")
        dtype = _WORDS.get(word)
        if not isinstance(dtype, DType):
            fail(line, f"unknown element type {word!r}; known are {', '.join(DType)}")
        words.expect("[")
        shape = tuple(words.separated(self.size, "]"))
        return TensorType(shape, dtype, words.name("a layout") if words.accept("@") else "plain")

    def size(self) -> Dim:
        """`28`, `N` or `4*N`."""
        if self.words.accept("N"):
            return N
        line, size = self.words.line, self.words.integer("a size or N")
        if size < 0:
            fail(line, f"expected a size of at least 0, found {size}")
        return cast(Dim, self.times_n(line, size))

    def times_n(self, line: int, number: Any) -> Any:
        """`number`, or where `*N` stands behind it so many times N."""
        if not self.words.accept("*"):
            return number
        self.words.expect("N")
        return located(line, BatchSize, number)

    def attribute(self, depth: int = 0) -> Any:
        """The value of an attribute."""
        words, word = self.words, self.words.word
        if word.kind == "string":
            return words.string("a value")
        if word.text in _WORDS:
            if words.at("[", ahead=1):
                return self.type()
            return _WORDS[words.take().text]
        if word.kind == "number":
            return self.times_n(word.line, words.number())
        if words.accept("("):
            if depth == MAX_DEPTH:
                fail(word.line, f"expected at most {MAX_DEPTH} tuples inside each other")
            return tuple(words.separated(lambda: self.attribute(depth + 1), ")"))
        if word.text == "graph":
            if self.depth == MAX_DEPTH:
                fail(word.line, f"expected at most {MAX_DEPTH} graphs inside each other")
            return _Parser(words, self.constants, self.depth + 1).graph()
        if word.kind == "name" and word.text in OPS and word.text not in known_initializers():
            return self.operator()
        if word.kind == "name":
            return self.initializer()
        words.unexpected("a value: a number, a string, True, False, None, N, a tuple or a type")

    def operator(self) -> Any:
        """An operator with its attributes, as an attribute of another: `relu()`."""
        words = self.words
        line, op = words.line, words.bare("an operator")
        words.expect("(")
        return located(line, _make, op, self.arguments()[1])

    def initializer(self) -> Any:
        words, known = self.words, known_initializers()
        line, word = words.line, words.bare("an initializer")
        if word not in known:
            fail(line, f"unknown value {word!r}{_nearest(word, [*known, *_WORDS])}")
        attributes = self.arguments()[1] if words.accept("(") else {}
        located(line, check_attributes, word, known[word], attributes)
        return known[word](**attributes)

    def elements(self) -> Callable[[TensorType], Array]:
        """What a constant holds, as a function of its type."""
        words, line = self.words, self.words.line
        if words.accept("{"):
            found = words.separated(lambda: words.take().text, "}")
            return lambda t: elements(found, t)
        if words.accept("base64"):
            text = words.string("base64 in quotes")
            return lambda t: from_base64(text, t)
        if words.accept("digest"):
            digest = words.string("a digest in quotes")
            return lambda t: self.elided(line, digest)
        words.unexpected('{elements}, base64 "..." or digest "..."')

    def elided(self, line: int, digest: str) -> Array:
        for key, array in self.constants.items():
            if key.startswith(digest) or digest.startswith(key):
                if not Constant(array).digest.startswith(digest):
                    raise GraphError(f"the array given for the digest {digest} has other contents")
                return array
        raise GraphError(
            f"the constant with digest {digest} is not in the text; write the graph with "
            f"dump_graph, or pass constants={{{digest!r}: array}}"
        )


def _build(
    op: str, attributes: dict[str, Any], operands: list[Value], name: str, origin: Origin
) -> Node:
    try:
        return build(_make(op, attributes), operands, name, origin)
    except GraphError:
        raise
    except Exception as error:  # attributes of the right types may still make no sense
        raise GraphError(f"{op} {name!r} cannot be built: {error}") from error


def _make(op: str, attributes: dict[str, Any]) -> Op:
    check_attributes(op, OPS[op], attributes)
    return OPS[op](**attributes)


def _assemble(
    inputs: Iterable[Value],
    outputs: dict[str, Value],
    updates: dict[Value, Value],
    nodes: Iterable[Node],
    name: str,
) -> Graph:
    """The graph with its nodes in the order of the text."""
    checked = Graph.of(inputs, outputs, updates, name)
    return Graph(
        checked.inputs, MappingProxyType(outputs), MappingProxyType(updates), tuple(nodes), name
    )


def _bare(name: str | None) -> str:
    name = name or ""
    return unquote(name) if name.startswith('"') else name


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""
