"""What solving a cube costs and whether its results are right: the parts of ``lw-rl cube-bench``.

Each module measures one thing (`truth`, `parts`, `measure`, `endurance`); `bench` says which part
of the command runs it, and `text` and `figure` show the result file. A new part is a function in
`bench.PARTS` with its sentences in `text`. Imports from here go to benchmark, cube and below.
"""
