"""Rehearsals: a throw-away launch layer that is adapted, booted without a network, and asked how it is.

One process per rehearsal does it all from beginning to end (`run`), in a session of its own, so that neither a killed
host agent nor a busy target stands in its way; `begin` starts it, looks at it and clears it away.
"""
