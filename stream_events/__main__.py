"""``python -m stream_events STREAM GROUP CONSUMER``."""

import sys

from stream_events.clients.command_line import main

if __name__ == "__main__":
    sys.exit(main())
