"""Training of policies: the only rooms that import torch and stable_baselines3."""
