"""S07: the network cards keep their names, and addresses come from the target's network."""

from agents.target.adaptation.steps.network.plan import extra_kernel_arguments, network_checks, plan_network

__all__ = ["extra_kernel_arguments", "network_checks", "plan_network"]
