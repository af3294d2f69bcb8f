"""Every failure that a user can meet: a stable code, its cause and the next step."""

from contracts.errors.code import ErrorCode, Failure, MigrationError

__all__ = ["ErrorCode", "Failure", "MigrationError"]
