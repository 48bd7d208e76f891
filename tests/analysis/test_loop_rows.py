"""The table of a network with loops: the loop's row, then those of its body, of one step."""

import graphcnn as cnn


def test_the_body_stands_behind_the_loop() -> None:
    sequence = cnn.input("sequence", (12, 1))
    _, (h, _) = cnn.lstm(sequence, 8, name="L")
    summary = cnn.Model(sequence, cnn.dense(h, 2, name="out")).summary()
    rows = summary.rows
    (at,) = (i for i, row in enumerate(rows) if row.op == "scan")
    inside = [row for row in rows if row.depth]
    assert list(rows[at + 1 : at + 1 + len(inside)]) == inside
    assert rows[at].multiply_adds == 12 * sum(row.multiply_adds for row in inside)
    assert rows[at].parameters == sum(row.parameters for row in inside) == 256
    assert summary.multiply_adds == sum(row.multiply_adds for row in rows if not row.depth)
    text = str(summary)
    assert "\n  recurrent" in text and "scan × 12" in text and "\nout" in text


def test_loops_in_loops_stand_deeper() -> None:
    x = cnn.input("x", (5, 4, 3))

    def inner(c, pixel):
        return cnn.tanh(c + pixel), ()

    def outer(c, row):
        last, _ = cnn.scan(inner, c, row, name="columns")
        return last, ()

    last, _ = cnn.scan(outer, cnn.zeros((cnn.N, 3)), x, name="rows")
    depths = {row.name: row.depth for row in cnn.Model(x, last).summary().rows}
    assert depths["rows"] == 0 and depths["columns"] == 1 and depths["tanh_1"] == 2
