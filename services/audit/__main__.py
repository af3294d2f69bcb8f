"""Starts the service: settings, bootstrap, run."""

from services.audit.bootstrap import wire
from services.audit.records import COLLECTIONS
from services.audit.settings import AuditSettings
from shared.service import run_service

if __name__ == "__main__":
    run_service(AuditSettings(), wire, collections=COLLECTIONS)
