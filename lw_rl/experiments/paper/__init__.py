"""The paper of Panos and Milic (2025), reproduced, and corrected where it misleads."""
