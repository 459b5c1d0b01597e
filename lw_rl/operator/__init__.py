"""Approximate operators of statistical equilibrium, built without a formal solution.

`lw_rl.operator.base` has the protocols that schemes, safeguard and certificate know; an operator
for another atom or geometry is one more module that implements `EquilibriumOperator`, and one more
line in :func:`~lw_rl.operator.base.operator_for`. It imports `lw_rl.host` for what a context says
of an atom, and the modules at the top of `lw_rl` that import nothing.
"""
