"""Training of policies: Soft Actor-Critic, its Stein variant, hindsight demonstrations.

The one package of the product that imports torch and stable-baselines3 (extra ``[train]``). Change
it to train another policy or to add a learner; what is trained leaves it through
`lw_rl.training.export`, as numpy arrays and a card. It imports `lw_rl.envs`, `lw_rl.benchmark`,
`lw_rl.cube` and everything below.
"""
