"""Gymnasium environments over the adapter and the observation."""
