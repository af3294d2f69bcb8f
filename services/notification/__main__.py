"""Starts the service: settings, bootstrap, run."""

from services.notification.bootstrap import COLLECTIONS, wire
from services.notification.settings import NotificationSettings
from shared.service import run_service

if __name__ == "__main__":
    run_service(NotificationSettings(), wire, collections=COLLECTIONS)
