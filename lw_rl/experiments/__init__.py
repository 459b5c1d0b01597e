"""What reproduces a figure or a table, and no solver imports.

The paper (`paper`), maximum-entropy control (`max_entropy`), cubes (`cubes`), and studies of what
learning contributes (`study`). `store` runs experiments and keeps them, `reproduction` makes one
result file and a report of them, `claims` and `text` write it. Change it to add an experiment: its
runs, its claims, its figures. What trains here may import torch. It imports everything but
`lw_rl.cli`.
"""
