"""Worker-side: reading directories and walking Tasks. Imports little: every worker process loads it."""
