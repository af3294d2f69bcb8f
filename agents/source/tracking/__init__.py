"""Which entries of a file system have changed since they were last looked at, told by the kernel (fanotify).

A hint, not the truth: writes through mmap give no event, so now and then, and before a cutover, everything is walked.
"""
