"""Starts the service: settings, bootstrap, run."""

from services.identity.bootstrap import wire
from services.identity.directory import DIRECTORY_COLLECTIONS
from services.identity.records import COLLECTIONS
from services.identity.settings import IdentitySettings
from shared.service import run_service

if __name__ == "__main__":
    run_service(IdentitySettings(), wire, collections=(*COLLECTIONS, *DIRECTORY_COLLECTIONS))
