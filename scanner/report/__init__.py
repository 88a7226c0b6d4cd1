"""What becomes of a scan's statistics: text for a terminal, JSON for programs, Markdown for CI pages."""
