"""Packs the agent into one self-contained file; nothing here is part of the agent itself."""

from agents.bundle.build import build_agent

__all__ = ["build_agent"]
