"""What becomes of a scan's Chunks: files and streams."""
