"""Texts that are not graphs: one message each, with the line and what was expected."""

import pytest

from graphcnn.errors import GraphError
from graphcnn.text.parse import parse_graph
from graphcnn.text.tokens import tokenize

HEAD = 'graph "g" (x: f32[N,2,5,5]) {\n'


def body(*lines: str) -> str:
    return HEAD + "\n".join(lines) + "\nreturn y = x\n}\n"


ERRORS = {
    "": "line 1: expected 'graph', found the end of the text",
    "hello": "line 1: expected 'graph', found hello",
    "graph g () {}": "line 1: expected the graph's name in quotes, found g",
    'graph "g" (x) {}': r"line 1: expected ':', found \)",
    'graph "g" (x: f31[N]) {}': "line 1: unknown element type 'f31'; known are f16",
    'graph "g" (x: f32[-1]) {}': "line 1: expected a size of at least 0, found -1",
    'graph "g" (x: f32[1.5]) {}': "line 1: expected a size or N, found 1.5",
    'graph "g" (x: f32[0]) {}': "line 1: .*sizes must be at least 1",
    'graph "g" (x: f32[N], x: f32[N]) {}': "line 1: 'x' is defined twice",
    'graph "g" () {}': "line 1: graph 'g' has no outputs",
    'graph "g': "line 1: quotes that do not end",
    'graph "\\q" () {}': "unknown escape",
    'graph "\\u{ffffff}" () {}': "there is no character",
    HEAD + "  !": "line 2: expected a name, a number or a sign, found '!'",
    HEAD + "  y = pad2d(x)\n": "line 3: expected a node .* or '}', found the end of the text",
    HEAD + "  y pad2d(x)\n": "line 2: expected a node .*, found y",
    body("y = pad3d(x)"): "line 2: unknown operator 'pad3d'; did you mean 'pad2d'",
    body("y = input()"): "line 2: unknown operator 'input'",
    body("y = pad2d(z)"): "line 2: 'z' is not defined above this line",
    body("pads = pad2d(x)", "y = pad2d(pad)"): "line 3: 'pad' is not .*; did you mean 'pads'",
    body("y = pad2d(y)"): "line 2: 'y' is not defined",
    body("y = pad2d(x)", "y = pad2d(x)"): "line 3: 'y' is defined twice",
    body("y = pad2d(x:1)"): "line 2: 'x' has 1 results, there is no x:1",
    body("y = pad2d(x x)"): "line 2: expected ',', found x",
    body("y = pad2d(x; pad=1)"): r"pad2d has no attribute 'pad'; did you mean 'padding'\? \(it has",
    body("y = pad2d(x; padding=1)"): r"attribute padding must be tuple\[int, int, int, int\].* 1",
    body("y = pad2d(x; padding=(1, 1, 1))"): r"must be tuple.*found \(1, 1, 1\)",
    body("y = pad2d(x; padding=(1, 1, 1, 1.0))"): r"must be tuple",
    body("y = pad2d(x; padding=(1, 1, 1, -1))"): "line 2: pad2d .*must not be negative",
    body("y = pad2d(x; mode=reflect)"): "line 2: unknown value 'reflect'",
    body('y = pad2d(x; value="0")'): "attribute value must be float, found '0'",
    body("y = pad2d(x; value=1, value=2)"): "attribute 'value' is given twice",
    body("y = pad2d(x; value=1, x)"): "expected another attribute",
    body("y = pad2d(x; value=)"): r"expected a value: .*, found \)",
    body("y = pad2d()"): r"line 2: pad2d .*takes the inputs \(x\), found 0",
    body("y = pad2d(x) : f32[N,2,5,6]"): r"line 2: pad2d 'y' gives f32\[N,2,5,5\], the text says",
    body("y = pad2d(x) y"): "line 2: expected the end of the line, found y",
    body("y = pad2d(x; padding=" + "(" * 20 + ")" * 20 + ")"): "at most 16 tuples",
    body("y = pad2d(x; value=" + "9" * 5000 + ")"): "at most 40 digits, found 5000",
    body("s = state()"): r"line 2: expected state\(...\) : type",
    body("s = state(x) : f32[]"): r"line 2: expected state\(...\) : type",
    body("s = state() : f32[N]"): "line 2: .*cannot depend on the batch size",
    body("s = state(role=f32) : f32[]"): "attribute role must be Role, found",
    body("s = state(initial=eval) : f32[]"): "line 2: unknown value 'eval'",
    body("s = state(initial=he(mean=1)) : f32[]"): "he has no attribute 'mean'",
    body("s = state(initial=custom) : f32[]"): "custom: the attribute label is missing",
    body("c = constant(1) : f32[]"): "line 2: expected {elements}",
    body("c = constant({1, 2}) : f32[3]"): r"line 2: f32\[3\] needs 3 elements, found 2",
    body("c = constant({1}) : f32[N]"): "line 2: .*has no size before",
    body("c = constant({x}) : f32[1]"): "line 2: elements of .* cannot be read",
    body("c = constant({300}) : u8[1]"): "line 2: elements of .* cannot be read",
    body("c = constant({2}) : bool[1]"): "line 2: elements of .* cannot be read",
    body('c = constant(base64 "AA==") : f32[1]'): "line 2: .* has 4 bytes, found 1",
    body('c = constant(base64 "!") : f32[1]'): "line 2: the base64 of a constant is damaged",
    body('c = constant(base64 "") : f32[0,' + "9" * 30 + "]"): "line 2: .*too large",
    body("return y = x"): "line 3: the output 'y' is returned twice",
    body("update x <- x"): "line 4: update of .* state and type must agree",
    body("s = state() : f32[]", "update s <- x"): "line 5: update of .* must agree",
    body("s = state() : f32[]", "update s <- s", "update s <- s"): "line 4: .* updated twice",
    body("update x = x"): "line 2: expected '<-', found =",
    body() + "more": "line 5: expected nothing after the graph, found more",
}


@pytest.mark.parametrize("text", ERRORS, ids=range(len(ERRORS)))
def test_error(text: str) -> None:
    with pytest.raises(GraphError, match=ERRORS[text]):
        parse_graph(text)


def test_damaged_texts_raise_graph_errors_only() -> None:
    text = body("s = state(initial=he(normal=True)) : f32[3,2,3,3]",
                "c = conv2d(x, s; stride=(2, 2)) : f32[N,3,2,2]  # a.py:3 by p for x",
                'k = constant({0.5, -inf}) : f32[2]', "update s <- s")  # fmt: skip
    parse_graph(text)
    for i in range(len(text)):
        for damaged in (text[:i], text[:i] + text[i + 1 :], text[:i] + "(" + text[i:],
                        text[:i] + "9" + text[i:], text[:i] + '"' + text[i:]):  # fmt: skip
            try:
                parse_graph(damaged)
            except GraphError as error:
                assert "line" in str(error)


def test_size_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphcnn.text.tokens.MAX_CHARACTERS", 10)
    with pytest.raises(GraphError, match="has 11 characters, at most 10 are read"):
        list(tokenize(" " * 11))
