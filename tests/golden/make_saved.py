"""Make saved.json: what each row with gradient rules keeps for its backward pass, in bytes.

Run by the project's own Python, with the packages and the tests on its path::

    PYTHONPATH=client:server:protos:tests python tests/golden/make_saved.py

The numbers are not MXNet's. The file is there to be read when it changes: a rule that names a value more than
it needs keeps an array alive through the whole forward pass.
"""

from __future__ import annotations

from support.saved import PATH, table, text

if __name__ == "__main__":
    PATH.write_text(text(table()))
