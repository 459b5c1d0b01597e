"""The paper of Panos and Milic (2025), reproduced, and corrected where it misleads.

`experiments` says what is run, `measure` and `greedy` train and measure, `facts` needs no training,
`summary` takes medians and quartiles over the seeds, `report` and `figures` show the result file. A
new question is a run in `experiments.RUNS`, an entry of the summary, and a section of the report.
It imports training, envs and slab; only `measure` and `greedy` import torch.
"""
