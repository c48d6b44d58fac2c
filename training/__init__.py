"""Train, judge and release the networks of SkullStrip; run as ``python -m training COMMAND``."""
