"""What a policy sees and does, the numpy network that evaluates it, and the policies that ship.

The observation and the action are defined once, in `lw_rl.policies.observation`, for training and
solving alike. Change this package to add a channel to the observation (with a new schema version),
another network, or a shipped policy: weights without pickle, and a card that says how it was made
and where it is of use. It imports `lw_rl.host.state` and the modules at the top of `lw_rl` that
import nothing; never torch.
"""

from .base import Policy, make_policy
from .card import Card, Carded, card_of

__all__ = ["Card", "Carded", "Policy", "card_of", "make_policy"]
