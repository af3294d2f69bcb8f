"""Run the target provisioner."""

from services.target_provisioner.bootstrap import COLLECTIONS, wire
from services.target_provisioner.settings import TargetProvisionerSettings
from shared.service import run_service

if __name__ == "__main__":
    run_service(TargetProvisionerSettings(), wire, collections=COLLECTIONS)
