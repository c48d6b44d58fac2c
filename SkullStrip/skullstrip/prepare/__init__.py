"""From a scan to what the network sees, and back to the scan's grid."""
