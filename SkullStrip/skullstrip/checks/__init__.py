"""What can be said about a scan and its header before and while it is stripped."""
