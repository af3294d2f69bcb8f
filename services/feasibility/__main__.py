"""Run the feasibility service."""

from services.feasibility.bootstrap import COLLECTIONS, wire
from services.feasibility.settings import FeasibilitySettings
from shared.service import run_service

if __name__ == "__main__":
    run_service(FeasibilitySettings(), wire, collections=COLLECTIONS)
