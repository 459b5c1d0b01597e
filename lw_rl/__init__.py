"""lw_rl."""
