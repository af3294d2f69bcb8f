"""Make a copied system boot on other disks, another firmware and other network cards.

Works in a launch layer only, never in the replica. Steps plan over a read-only view, and the whole plan is known
before the first change; one engine journals and applies; programs of the copied system run confined, with the tree
read-only.
"""

from agents.target.adaptation.run import adapt, plan_adaptation, undo_adaptation

__all__ = ["adapt", "plan_adaptation", "undo_adaptation"]
