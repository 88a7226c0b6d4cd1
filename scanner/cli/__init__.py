"""The command `scanner`. Imports everything; nobody imports it."""
