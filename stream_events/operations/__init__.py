"""What operators see and do, for the admin and the command line alike."""
