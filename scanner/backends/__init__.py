"""Where Tasks run. Every backend is a source of SlotUp, SlotLost and ChunkArrived, and never waits without an end."""
