"""Many scans: found, handed out, remembered, and shown on one page."""
