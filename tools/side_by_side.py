"""Fill the pages that compare programs: `python -m graphcnn.tools.side_by_side docs`.

The programs are files of their own, in `programs/with_LIBRARY/`, which the tests run. A page has

    <!-- classify -->
    <!-- end -->

where the program `classify.py` of its library is to stand beside ours; what lies between the two
lines is replaced. The library is that of the page's name: `from-keras.md` compares with Keras.
"""

import re
import sys
from pathlib import Path

#: The folder of programs and the name of what a page compares with, by the name of the page.
PAGES = {
    "from-keras.md": ("keras", "Keras"),
    "from-pytorch.md": ("pytorch", "PyTorch, Lightning"),
    "from-scikit-learn.md": ("scikit_learn", "scikit-learn"),
}
_PLACE = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: Path) -> str:
    """The text of a page with the programs as they are now."""
    library, name = PAGES[page.name]
    programs = page.parent / "programs"

    def table(found: re.Match[str]) -> str:
        start, program, end = found.groups()
        theirs = _code(programs / f"with_{library}" / f"{program}.py")
        ours = _code(programs / "with_graphcnn" / f"{program}.py")
        head = f"<tr><th>{name}</th><th>graphcnn</th></tr>"
        cells = "".join(f'<td valign="top">\n\n{code}\n\n</td>' for code in (theirs, ours))
        return f"{start}<table>\n{head}\n<tr>{cells}</tr>\n</table>\n{end}"

    return _PLACE.sub(table, page.read_text(encoding="utf-8"))


def _code(program: Path) -> str:
    if not program.exists():
        return "There is none."
    return f"```python\n{program.read_text(encoding='utf-8').strip()}\n```"


if __name__ == "__main__":
    for name in PAGES:
        path = Path(sys.argv[1]) / name
        path.write_text(filled(path), encoding="utf-8")
