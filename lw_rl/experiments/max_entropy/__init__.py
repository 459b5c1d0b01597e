"""What the papers on maximum-entropy control claim, measured.

`experiments` says what is run, `measure` trains and measures, `facts` compares samplers with exact
entropies, `modes` and `deviation` measure policies, `summary` takes medians and quartiles over the
seeds, `report`, `readme` and `figures` show the result file. A new comparison is a run in
`experiments.RUNS` and a claim of the report. It imports training, envs and problems; only `measure`
and `facts` import torch.
"""
