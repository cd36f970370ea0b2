"""What the commands' exit codes mean; 0 is all well, 1 any other error."""

USAGE = 2
PARTIAL = 3
BREACHED = 4
UNAVAILABLE = 69
CONFIGURATION = 78
ABORTED = 130
