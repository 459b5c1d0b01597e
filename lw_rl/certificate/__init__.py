"""How wrong the populations can be: error estimates, bounds, and the certified stop.

Estimates are pure functions of the states that a solve has visited and of the operators
(`lw_rl.certificate.estimators`): asking one changes nothing. An estimate or a bound is added there,
to one of the lists. What is calibrated is in `Settings`, which ``lw-rl calibrate --settings``
writes. It imports `lw_rl.operator`, `lw_rl.host` and the modules at the top of `lw_rl` that import
nothing.
"""

from .certificate import Certificate
from .convergence import Certified
from .history import History
from .settings import Settings

__all__ = ["Certificate", "Certified", "History", "Settings"]
