"""Run the registry."""

from services.registry.bootstrap import COLLECTIONS, wire
from services.registry.settings import RegistrySettings
from shared.service import run_service

if __name__ == "__main__":
    run_service(RegistrySettings(), wire, collections=COLLECTIONS)
