"""Starts the service: settings, bootstrap, run."""

from services.gateway.bootstrap import COLLECTIONS, wire
from services.gateway.settings import GatewaySettings
from shared.service import run_service

if __name__ == "__main__":
    run_service(GatewaySettings(), wire, collections=COLLECTIONS)
