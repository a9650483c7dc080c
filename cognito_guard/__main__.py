"""`python -m cognito_guard`: the command line, where the script `cognito-guard` is not on the path."""

import sys

from cognito_guard.cli import main

if __name__ == "__main__":
    sys.exit(main())
