"""The helper as a small virtual machine, for what must not, or cannot, be done on the host's own kernel.

Its image is built by `agents/helper_image`. It has no network but two addresses that its own QEMU process answers on:
a metadata service, as clouds have one, and the way to the bus; and the one port on which sources reach it.
"""
