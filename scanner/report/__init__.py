"""Reports of a scan: text for a terminal, JSON for programs, Markdown for CI pages, HTML with plots."""
