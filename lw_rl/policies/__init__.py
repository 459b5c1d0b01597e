"""Shipped policies: weights (``.safetensors``) and cards (``.json``)."""
