"""Speed and memory against other brain extractors; not shipped."""
