"""The process that `graphcnn bench` starts for one number of threads.

Reads the options as JSON, prints the results as JSON.
"""

import json
import sys
from typing import Any

from graphcnn.tools.bench.cases import Options
from graphcnn.tools.bench.report import run_here

if __name__ == "__main__":
    given: dict[str, Any] = json.load(sys.stdin)
    lists = {key: tuple(value) for key, value in given.items() if isinstance(value, list)}
    options = Options(**{**given, **lists})
    print(json.dumps([vars(r) for r in run_here(options, int(sys.argv[1]))]))
