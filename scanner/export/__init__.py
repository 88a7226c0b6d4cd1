"""Outputs made from Chunks: files and streams in every format, and sums of sizes."""
