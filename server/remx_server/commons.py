"""What the sessions of a server share: turns, accounts, and the memory of its devices."""

from __future__ import annotations

from .accounts import Accounts
from .config import Limits
from .spills import Spiller
from .turns import Turns


class Commons:
    """What the sessions of a server share.

    Parameters
    ----------
    limits : Limits

    Attributes
    ----------
    turns : Turns
    accounts : Accounts
    spiller : Spiller
    """

    def __init__(self, limits: Limits) -> None:
        self.turns = Turns()
        self.accounts = Accounts()
        self.spiller = Spiller(limits)
