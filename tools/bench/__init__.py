"""`graphcnn bench`: our speed, and with --peers that of whatever else is installed, in one run."""
