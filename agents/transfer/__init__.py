"""The protocol between the two agents of a task: frames, entries, certificates, safe paths."""
