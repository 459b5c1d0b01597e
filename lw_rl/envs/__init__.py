"""Gymnasium environments over the same step and observation as the solver's.

Change it to add an environment; it is registered in `lw_rl`. It imports everything below
`lw_rl.iterate`, and `lw_rl.problems`.
"""
