"""The one process of a deployment that needs root: what the local provider does on its host.

It takes requests from the target provisioner only (`verbs`), works on the files of one data folder, and keeps no
state in memory: killed at any moment and started again, it finds what it did by what lies there. Helpers and
machines run in sessions of their own and survive it.
"""
