"""What the parts of SMS say to each other: messages, subjects, error codes.

Nothing here does I/O, and nothing here imports from another folder of the project.
"""
