"""MXNet's ``base``: the root of the errors, and the types of numbers that code checks against."""

from __future__ import annotations

import numpy as np
from remx_contract.errors import MXNetError

string_types = (str,)
numeric_types = (float, int, np.generic)
integer_types = (int, np.int32, np.int64)

__all__ = ["MXNetError", "integer_types", "numeric_types", "string_types"]
