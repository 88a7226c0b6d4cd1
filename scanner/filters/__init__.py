"""What is left out of a scan, and why."""
