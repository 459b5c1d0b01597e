"""
The environment with stable-baselines3's own algorithms
=======================================================

The iteration to equilibrium is a gymnasium environment: PPO as it comes learns in it, and whatever
has ``predict`` is a policy for the solver.
"""

import gymnasium as gym
import matplotlib.pyplot as plt
from stable_baselines3 import PPO
from stable_baselines3.common.monitor import Monitor

import lw_rl  # noqa: F401 (registers the environments)
from lw_rl.problems import shipped_problem

# %%
# One episode is one solve; an action has one number for each point in depth.
problem = shipped_problem("CaII_K", "FALC", 32)
env = Monitor(gym.make("lw_rl/StatEquil-v0", problems=[problem], Npoints=64))
print(env.observation_space.shape, env.action_space.shape)

# %%
# Some seconds of it: enough to see it run, far from enough to learn.
settings = {"n_steps": 64, "batch_size": 32, "n_epochs": 2, "seed": 0, "device": "cpu"}
model = PPO("MlpPolicy", env, **settings).learn(256)
plt.plot(env.get_episode_rewards())
plt.xlabel("episode")
plt.ylabel("return")
plt.show()
