"""The network: weights, runtimes, and prediction slice by slice. It knows arrays, not files."""
