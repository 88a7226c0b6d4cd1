"""The command `scanner`. It may import every other package; none imports it."""
