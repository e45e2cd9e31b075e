"""What a client costs its user: a fresh process that imports remx, runs one op, and waits to be looked at.

Prints the seconds that the import took, and ends with its standard input.
"""

import sys
import time

if __name__ == "__main__":
    start = time.perf_counter()
    import remx as mx

    seconds = time.perf_counter() - start
    mx.connect(sys.argv[1])
    (mx.nd.ones((10,)) + 1).wait_to_read()
    print(seconds, flush=True)
    sys.stdin.read()
