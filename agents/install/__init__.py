"""The agent as a service of a source server: installed by itself, removed without a trace."""

from agents.install.installation import install, uninstall

__all__ = ["install", "uninstall"]
