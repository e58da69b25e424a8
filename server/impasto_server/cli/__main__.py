"""`python -m impasto_server.cli`, which needs no script on the path."""

import sys

from impasto_server.cli import main

if __name__ == "__main__":
    sys.exit(main())
