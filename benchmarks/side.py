"""One side of a comparison: a process that runs what it is asked to and answers in lines of JSON.

A request is one line, ``{"task": NAME, ...arguments}``; the answer is one line, either the mapping the
task returned or ``{"error": TRACEBACK}``.  Sides stay alive between rounds, so that neither pays for
its start, and end when their standard input does, so that none outlives the run that started it.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any


def serve(tasks: Mapping[str, Callable[..., Mapping[str, Any]]]) -> None:
    """Answer requests from standard input until it ends.

    Parameters
    ----------
    tasks : mapping
        What can be asked for; a task gets the rest of its request as keyword arguments.
    """
    # Libraries may print whatever they like: only this function writes to the real standard output.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = dict(tasks[request.pop("task")](**request))
        except Exception:
            answer = {"error": traceback.format_exc()}
        replies.write(json.dumps(answer) + "\n")
