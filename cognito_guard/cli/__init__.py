"""The command line, `cognito-guard`."""

from cognito_guard.cli.main import main

__all__ = ["main"]
