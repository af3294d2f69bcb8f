"""Run the task service."""

from services.task.bootstrap import COLLECTIONS, wire
from services.task.settings import TaskSettings
from shared.service import run_service

if __name__ == "__main__":
    run_service(TaskSettings(), wire, collections=COLLECTIONS)
