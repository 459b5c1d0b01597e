"""What reproduces a figure or a table, and no solver imports.

The paper (`paper`), maximum-entropy control (`max_entropy`), cubes (`cubes`), and studies of what
learning contributes. Change it to add an experiment: its runs, its claims, its figures. What trains
here may import torch. It imports everything but `lw_rl.cli`.
"""
