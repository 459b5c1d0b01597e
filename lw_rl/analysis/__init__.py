"""What is done with equilibria: response functions, corrected populations, steps in time.

Change it to add another use of a converged context. What a solve is made of is below: it imports
`lw_rl.iterate`, `lw_rl.schemes`, `lw_rl.operator`, `lw_rl.host` and the modules at the top of
`lw_rl` that import nothing.
"""
