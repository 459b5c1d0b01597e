"""How wrong the populations can be: error estimates, bounds, and the certified stop.

Estimators look at the states that a solve has visited and at the operator; asking one changes
nothing in the context. Change it to add an estimate or a bound. It imports `lw_rl.operator`,
`lw_rl.policies`, `lw_rl.host` and the modules at the top of `lw_rl` that import nothing.
"""

from .certificate import Certificate
from .convergence import Certified

__all__ = ["Certificate", "Certified"]
