"""Starts the service: settings, bootstrap, run."""

from services.metering.bootstrap import COLLECTIONS, wire
from services.metering.settings import MeteringSettings
from shared.service import run_service

if __name__ == "__main__":
    run_service(MeteringSettings(), wire, collections=COLLECTIONS)
