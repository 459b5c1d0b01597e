"""What cubes cost, and whether their answers hold."""
