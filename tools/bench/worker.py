"""The process that `graphcnn bench` starts for one number of threads; prints JSON."""

import json
import sys

from graphcnn.tools.bench.report import run_here

if __name__ == "__main__":
    nets, work, peers, rounds, runtime, threads = sys.argv[1:]
    results = run_here(
        tuple(nets.split(",")),
        tuple(work.split(",")),
        int(threads),
        peers == "peers",
        int(rounds),
        runtime,
    )
    print(json.dumps([vars(r) for r in results]))
