"""A night's work: what changed since earlier nights, pages, metrics and pings, and how it is run each night."""
