"""What makes a training example unlike the scan that it came from."""
