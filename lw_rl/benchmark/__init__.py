"""How schemes are measured: true error, formal solutions, wall time, robustness.

References, peers, statistics, tables and figures; calibration of a policy's limits. Change it to
add a measure, a peer or a table. It imports `lw_rl.cube`, `lw_rl.problems`, `lw_rl.iterate` and
everything below.
"""
